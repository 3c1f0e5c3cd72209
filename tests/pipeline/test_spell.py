"""The recipe spell: it learns to write what it sees, whatever the cell, and answers about files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import exports
from exports.runtime.generation import Hypothesis
from pipeline import batches, config, recipes
from pipeline.baselines.captions import all_at_once
from pipeline.config import Config
from pipeline.config.caption import CaptionConfig
from pipeline.data.pairs import Pair
from pipeline.features.images import Images
from pipeline.features.tokens import PairData, PairExamples
from pipeline.models import seq2seq
from pipeline.run import Run
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]
Data = PairData[Images]

SMALL = {
    "limit": 300,
    "epochs": 12,
    "filters": 8,
    "batch_size": 16,
    "learning_rate": 0.005,
    "dropout": 0.0,
    "shift": 0.0,
    "turn": 2.0,
    "zoom": 0.02,
}
BOUNDARY = 1
BLACK = np.zeros((28, 28, 1), np.uint8)


@pytest.fixture(scope="module")
def literate(tmp_path_factory: pytest.TempPathFactory) -> Run[CaptionConfig]:
    """A run on 300 digits, trained and tested. Leave it as it is."""
    settings = config.merge(recipes.get("spell").presets["digits"](), SMALL)
    path = tmp_path_factory.mktemp("runs") / "run"
    return trained(path, settings, ["nearest image", "most frequent caption"])


@pytest.fixture(scope="module")
def data(literate: Run[CaptionConfig]) -> Data:
    return literate.task.data(literate)


@pytest.fixture(scope="module")
def model(literate: Run[CaptionConfig]) -> keras.Model:
    return literate.model()


def test_it_learns_and_is_measured_beside_the_nearest_image(literate: Run[CaptionConfig]) -> None:
    results = literate.results
    assert results["examples"] == {"train": 300, "validation": 300, "test": 300}
    assert results["model"]["exact_match"] > 0.4
    assert 0.3 < results["model"]["chrf"] < 1
    assert results["baselines"]["nearest image"]["exact_match"] > 0.75
    assert 0.05 < results["baselines"]["most frequent caption"]["exact_match"] < 0.2


def test_every_batch_has_words_of_all_lengths(data: Data) -> None:
    for batch in batches.shuffled(data.train.lengths, 50, seed=0, epoch=0):
        words = [data.raw.train[place].targets[0] for place in batch]
        assert set(map(len, words)) == {3, 4, 5}


def test_a_caption_is_as_probable_as_its_letters_one_after_another(
    literate: Run[CaptionConfig], model: keras.Model, data: Data
) -> None:
    numbers = range(1, 21)
    answers = literate.task.predict(literate, list(map(str, numbers)))
    for number, answer in zip(numbers, answers, strict=True):
        spelling, probability, name = answer.text.split("\t")
        image, (caption,) = data.raw.test[number - 1]
        assert name == f"test image {number}, {caption!r}"
        ids = data.target.write(spelling)
        previous = np.array([[BOUNDARY, *ids]], np.int32)
        (rows,) = model({"image": image[None], "previous": previous}, training=False).numpy()
        following = [*ids, BOUNDARY]
        product = np.prod([row[letter] for row, letter in zip(rows, following, strict=True)])
        assert float(probability) == pytest.approx(product, abs=6e-4)
        wrong = any("that is wrong" in note for note in answer.notes)
        assert wrong == (spelling != caption)


def test_what_is_written_depends_on_the_image_alone(
    literate: Run[CaptionConfig], model: keras.Model, data: Data
) -> None:
    def written(examples: PairExamples) -> list[str]:
        found = literate.task.predictions(batches.compute(model), examples)
        return [data.target.join(data.target.written(best.symbols)) for best, *_ in found]

    few = PairExamples.of(data.raw.test[:100], data.source, data.target, literate.config)
    unlettered = seq2seq.ragged([[BOUNDARY]] * len(few))
    blind = replace(few, inputs={**few.inputs, "previous": unlettered})
    assert written(blind) == written(few)


def test_a_short_caption_does_not_win_for_being_short(
    literate: Run[CaptionConfig], data: Data
) -> None:
    """No letter at all has 0.5; "two" has 0.36, which is 0.78 for each letter and the end."""
    word = [BOUNDARY, *data.target.write("two"), BOUNDARY]

    def compute(inputs: dict[str, Any]) -> np.ndarray:
        previous = inputs["previous"].numpy()
        following = np.full((*previous.shape, len(data.target.symbols)), 1e-6)
        for step, letter in enumerate(word[1 : 1 + previous.shape[1]]):
            following[:, step, letter] = 0.9 if step else 0.5
        following[:, 0, BOUNDARY] = 0.5
        return following

    nothing = PairExamples.of([Pair(BLACK, ("two",))], data.source, data.target, literate.config)
    ((best, *_),) = literate.task.predictions(compute, nothing)
    assert data.target.join(data.target.written(best.symbols)) == "two"


def test_the_baseline_sees_none_of_the_letters_before(
    literate: Run[CaptionConfig], data: Data
) -> None:
    def fit(untrained: keras.Model, settings: Config) -> keras.Model:
        image = np.full((2, 28, 28, 1), 99, np.uint8)
        words = [[BOUNDARY, *data.target.write(word)] for word in ("one", "two")]
        given = {"image": image, "previous": np.array(words, np.int32)}
        first, second = untrained(given, training=False).numpy()
        assert first.tolist() == second.tolist()
        assert abs(first[0] - first[1]).max() > 1e-5  # but it knows the place
        return untrained

    black = [Pair(BLACK, ("one",))] * 3
    few = replace(data, test=PairExamples.of(black, data.source, data.target, literate.config))
    assert len(all_at_once(literate.config, few, fit)) == 3


def test_the_score_is_exact_captions_and_runs_of_letters(
    literate: Run[CaptionConfig], data: Data
) -> None:
    pairs = [Pair(BLACK, (word,)) for word in ("seven", "six")]
    examples = PairExamples.of(pairs, data.source, data.target, literate.config)

    def score(*words: str) -> tuple[float, float]:
        found = np.empty(2, object)
        found[:] = [[Hypothesis(tuple(data.target.write(word)), 0.0)] for word in words]
        figures = literate.task.score(found, examples)
        return figures["exact_match"], figures["chrf"]

    assert score("seven", "six") == (1, 1)
    assert score("", "") == (0, 0)
    (near, nearer), (far, farther) = score("seven", "sit"), score("fight", "six")
    assert near == far == 0.5
    assert 0 < farther < nearer < 1


def test_the_export_agrees_on_every_test_image(
    recurrent: Command, literate: Run[CaptionConfig], data: Data, tmp_path: Path
) -> None:
    outcome = recurrent("export", literate.path, f"--to={tmp_path / 'spell'}")
    assert outcome.status == 0, outcome.err
    assert "1,800 of 1,800" in outcome.out  # 300 words, padded to five letters and the end
    proofs = exports.verify(tmp_path / "spell")
    assert proofs["model"].worst < 2e-5
    assert exports.load(tmp_path / "spell").labels == ["", "end", *data.target.known]


def test_a_test_image_and_files_of_it_have_one_answer(
    recurrent: Command, literate: Run[CaptionConfig], tmp_path: Path, data: Data
) -> None:
    image = Image.fromarray(data.raw.test[0].source.squeeze())
    image.save(tmp_path / "light.png")
    Image.fromarray(255 - np.asarray(image)).save(tmp_path / "dark.png")
    image.convert("RGBA").save(tmp_path / "colour.png")
    files = [tmp_path / f"{name}.png" for name in ("light", "dark", "colour")]
    outcome = recurrent("predict", literate.path, "1", *files, "987")
    assert outcome.status == 0, outcome.err
    *same, last = (line.split("\t") for line in outcome.out.splitlines())
    assert len({spelling for spelling, _, _ in same}) == 1
    assert len({probability for _, probability, _ in same}) == 1
    assert [name for _, _, name in same[1:]] == list(map(str, files))
    assert last[2].startswith("test image 987, ")
    assert outcome.err.count("dark on light") == 1


@pytest.mark.parametrize("cell", ["lstm", "projectionlstm", "lru"])
def test_the_image_is_read_whatever_the_layer(
    literate: Run[CaptionConfig], data: Data, cell: str
) -> None:
    keras.utils.set_random_seed(0)
    settings = config.merge(literate.config, {"cell": cell, "units": 8, "filters": 2})
    model = literate.task.model(settings, data)
    given: dict[str, Any] = {
        "image": np.stack([BLACK, np.full_like(BLACK, 255)]),
        "previous": np.full((2, 1), BOUNDARY, np.int32),
    }
    black, white = np.log(model(given, training=False).numpy())
    assert abs(black - white).max() > 1e-4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0", "test images are 1 to 987, and 0 is none"),
        ("seven", "there is no file seven"),
        ("none.png", "there is no file none.png"),
        ("words.png", "words.png is damaged or no PNG, JPEG, GIF or BMP file"),
        ("cut.png", "cut.png is damaged or no PNG, JPEG, GIF or BMP file"),
        ("picture.tiff", "picture.tiff is damaged or no PNG, JPEG, GIF or BMP file"),
        (".", ". is not a regular file"),
    ],
)
def test_what_is_no_image_is_answered_in_one_line(
    recurrent: Command,
    literate: Run[CaptionConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(noise).save("whole.png")
    Image.fromarray(noise).save("picture.tiff")
    Path("cut.png").write_bytes(Path("whole.png").read_bytes()[:-200])
    Path("words.png").write_text("seven")
    outcome = recurrent("predict", literate.path, given)
    assert outcome.status == 1 and outcome.out == ""
    assert said in outcome.err and len(outcome.err.splitlines()) == 1


def test_writing_from_both_ends_is_refused(recurrent: Command, tmp_path: Path) -> None:
    outcome = recurrent("train", "spell", "--bidirectional", f"--run={tmp_path / 'run'}")
    assert outcome.status == 1 and "leave out --bidirectional" in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--preset=emoji"], "recurrent train caption --data FILE"),
        (["--preset=photos"], "recurrent train caption --data tfds:coco_captions"),
        (["--dataset=mnist"], "recurrent train caption --data tfds:mnist"),
    ],
)
def test_what_spell_had_says_what_replaced_it(
    recurrent: Command, options: list[str], said: str
) -> None:
    outcome = recurrent("train", "spell", *options)
    assert outcome.status == 1 and said in outcome.err and len(outcome.err.splitlines()) == 1


def test_runs_of_older_versions_say_what_to_do(recurrent: Command, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"task": "spell", "dataset": "mnist_5k"}')
    outcome = recurrent("predict", tmp_path, "1")
    assert outcome.status == 1 and len(outcome.err.splitlines()) == 1
    assert "begin anew with recurrent train spell" in outcome.err
