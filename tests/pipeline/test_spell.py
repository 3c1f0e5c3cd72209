"""The spell task: it learns to write what it sees, whatever the cell, and answers about files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import exports
from pipeline import batches, config, recipes, tasks
from pipeline.config import Config
from pipeline.config.spell import SpellConfig
from pipeline.data import pictures
from pipeline.data.captions import LETTERS, Captioned
from pipeline.errors import PipelineError
from pipeline.models import seq2seq
from pipeline.run import Run
from pipeline.tasks.spell import SpellData, all_at_once
from tests.pipeline.photos import walls
from tests.pipeline.served import served
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]

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


@pytest.fixture(scope="module")
def literate(tmp_path_factory: pytest.TempPathFactory) -> Run[SpellConfig]:
    """A run on 300 digits, trained and tested. Leave it as it is."""
    settings = config.merge(recipes.get("spell").presets["digits"](), SMALL)
    return trained(tmp_path_factory.mktemp("runs") / "run", settings, ["nearest picture"])


@pytest.fixture(scope="module")
def data(literate: Run[SpellConfig]) -> SpellData:
    return literate.task.data(literate)


@pytest.fixture(scope="module")
def test_split(data: SpellData) -> list[Captioned]:
    return data.captioned.test


@pytest.fixture(scope="module")
def model(literate: Run[SpellConfig]) -> keras.Model:
    return literate.model()


def ids(text: str) -> list[int]:
    return [2 + LETTERS.index(letter) for letter in text]


def test_it_learns_and_is_measured_beside_the_nearest_picture(
    literate: Run[SpellConfig],
) -> None:
    results = literate.results
    assert results["examples"] == {"train": 300, "validation": 300, "test": 300}
    assert results["model"]["exact"] > 0.4
    assert 0.3 < results["model"]["chrf"] < 1
    assert results["baselines"]["nearest picture"]["exact"] > 0.75


def test_every_batch_has_words_of_all_lengths(data: SpellData) -> None:
    for batch in batches.shuffled(data.train.lengths, 50, seed=0, epoch=0):
        words = [data.captioned.train[place].caption for place in batch]
        assert set(map(len, words)) == {3, 4, 5}


def test_a_spelling_is_as_probable_as_its_letters_one_after_another(
    literate: Run[SpellConfig], model: keras.Model, test_split: list[Captioned]
) -> None:
    numbers = range(1, 21)
    answers = literate.task.predict(literate, list(map(str, numbers)))
    for number, answer in zip(numbers, answers, strict=True):
        spelling, probability, name = answer.text.split("\t")
        picture, caption = test_split[number - 1]
        assert name == f"test picture {number}, {caption!r}"
        previous = np.array([[BOUNDARY, *ids(spelling)]], np.int32)
        (rows,) = model({"picture": picture[None], "previous": previous}, training=False).numpy()
        following = [*ids(spelling), BOUNDARY]
        product = np.prod([row[letter] for row, letter in zip(rows, following, strict=True)])
        assert float(probability) == pytest.approx(product, abs=6e-4)
        wrong = any("that is wrong" in note for note in answer.notes)
        assert wrong == (spelling != caption)


def test_what_is_written_depends_on_the_picture_alone(
    literate: Run[SpellConfig], model: keras.Model, data: SpellData
) -> None:
    compute = batches.compute(model)
    answers = literate.task.answers(compute, data.test)
    unlettered = tf.ragged.constant([[BOUNDARY]] * len(data.test))
    blind = replace(data.test, inputs={**data.test.inputs, "previous": unlettered})
    assert literate.task.answers(compute, blind).tolist() == answers.tolist()
    pairs = zip(answers, data.captioned.test, strict=True)
    right = [given == each.caption for given, each in pairs]
    assert np.mean(right) == pytest.approx(literate.results["model"]["exact"])


def test_a_short_spelling_does_not_win_for_being_short(literate: Run[SpellConfig]) -> None:
    """No letter at all has 0.5; "two" has 0.36, which is 0.78 for each letter and the end."""
    word = [BOUNDARY, *ids("two"), BOUNDARY]

    def compute(inputs: dict[str, Any]) -> np.ndarray:
        previous = inputs["previous"].numpy()
        following = np.full((*previous.shape, 2 + len(LETTERS)), 1e-6)
        for step, letter in enumerate(word[1 : 1 + previous.shape[1]]):
            following[:, step, letter] = 0.9 if step else 0.5
        following[:, 0, BOUNDARY] = 0.5
        return following

    nothing = {"picture": np.zeros((1, 28, 28, 1), np.uint8)}
    answers = literate.task.answers(compute, seq2seq.examples(nothing, [ids("two")]))
    assert answers.tolist() == ["two"]


def test_the_baseline_sees_none_of_the_letters_before(
    literate: Run[SpellConfig], data: SpellData
) -> None:
    def fit(untrained: keras.Model, settings: Config) -> keras.Model:
        picture = np.full((2, 28, 28, 1), 99, np.uint8)
        previous = np.array([[BOUNDARY, *ids("one")], [BOUNDARY, *ids("two")]], np.int32)
        first, second = untrained(
            {"picture": picture, "previous": previous}, training=False
        ).numpy()
        assert first.tolist() == second.tolist()
        assert abs(first[0] - first[1]).max() > 1e-5  # but it knows the place
        return untrained

    black = {"picture": np.zeros((3, 28, 28, 1), np.uint8)}
    few = replace(data, test=seq2seq.examples(black, [ids("one")] * 3))
    assert len(all_at_once(literate.config, few, fit)) == 3


def test_the_score_is_exact_spellings_and_runs_of_letters(literate: Run[SpellConfig]) -> None:
    examples = seq2seq.examples({}, [ids("seven"), ids("six")])
    score = literate.task.score
    assert score(np.array(["seven", "six"], object), examples) == {"exact": 1.0, "chrf": 1.0}
    assert score(np.array(["", ""], object), examples) == {"exact": 0.0, "chrf": 0.0}
    near = score(np.array(["sevem", "six"], object), examples)
    far = score(np.array(["eight", "six"], object), examples)
    assert near["exact"] == far["exact"] == 0.5
    assert 0 < far["chrf"] < near["chrf"] < 1


def test_the_export_agrees_on_every_test_picture(
    recurrent: Command, literate: Run[SpellConfig], tmp_path: Path
) -> None:
    outcome = recurrent("export", literate.path, f"--to={tmp_path / 'spell'}")
    assert outcome.status == 0, outcome.err
    assert "1,800 of 1,800" in outcome.out  # 300 words, padded to five letters and the end
    proofs = exports.verify(tmp_path / "spell")
    assert proofs["whole"].worst < 2e-5
    assert exports.load(tmp_path / "spell").labels == ["padding", "boundary", *LETTERS]


def test_a_test_picture_and_files_of_it_have_one_answer(
    recurrent: Command, literate: Run[SpellConfig], tmp_path: Path, test_split: list[Captioned]
) -> None:
    image = Image.fromarray(test_split[0].picture.squeeze())
    image.save(tmp_path / "light.png")
    Image.fromarray(255 - np.asarray(image)).save(tmp_path / "dark.png")
    image.convert("RGBA").save(tmp_path / "colour.png")
    files = [tmp_path / f"{name}.png" for name in ("light", "dark", "colour")]
    outcome = recurrent("predict", literate.path, "1", *files, "987")
    assert outcome.status == 0, outcome.err
    *same, last = (line.split("\t") for line in outcome.out.splitlines())
    assert len({spelling for spelling, _, _ in same}) == 1
    assert same[0][1] == same[1][1] == same[2][1]
    assert [name for _, _, name in same[1:]] == list(map(str, files))
    assert last[2].startswith("test picture 987, ")
    assert outcome.err.count("dark on light") == 1


def test_a_file_is_framed_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 20), (200, 0, 0, 255)).save(tmp_path / "wide.png")
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    wide = pictures.read(tmp_path / "wide.png", (64, 64, 3))
    assert wide.shape == (64, 64, 3) and wide.dtype == np.uint8
    assert (wide[16:48] == [200, 0, 0]).all()
    assert (wide[:16] == 255).all() and (wide[48:] == 255).all()
    assert (pictures.read(tmp_path / "clear.png", (28, 28, 1)) == 255).all()


@pytest.mark.parametrize("cell", ["lstm", "projectionlstm", "lru"])
def test_the_picture_is_read_whatever_the_layer(
    literate: Run[SpellConfig], data: SpellData, cell: str
) -> None:
    keras.utils.set_random_seed(0)
    settings = config.merge(literate.config, {"cell": cell, "units": 8, "filters": 2})
    model = literate.task.model(settings, data)
    given: dict[str, Any] = {
        "picture": np.stack([np.zeros((28, 28, 1)), np.full((28, 28, 1), 255)]).astype(np.uint8),
        "previous": np.full((2, 1), BOUNDARY, np.int32),
    }
    black, white = np.log(model(given, training=False).numpy())
    assert abs(black - white).max() > 1e-4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0", "test pictures are 1 to 987, and 0 is none"),
        ("seven", "there is no file seven"),
        ("none.png", "there is no file none.png"),
        ("words.png", "words.png is damaged or no PNG or JPEG file"),
        ("cut.png", "cut.png is damaged or no PNG or JPEG file"),
        ("picture.gif", "picture.gif is damaged or no PNG or JPEG file"),
        (".", ". is not a regular file"),
    ],
)
def test_what_is_no_picture_is_answered_in_one_line(
    recurrent: Command,
    literate: Run[SpellConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(noise).save("whole.png")
    Image.fromarray(noise).save("picture.gif")
    Path("cut.png").write_bytes(Path("whole.png").read_bytes()[:-200])
    Path("words.png").write_text("seven")
    outcome = recurrent("predict", literate.path, given)
    assert outcome.status == 1 and outcome.out == ""
    assert said in outcome.err and len(outcome.err.splitlines()) == 1


def test_writing_from_both_ends_is_refused(recurrent: Command, tmp_path: Path) -> None:
    outcome = recurrent("train", "spell", "--bidirectional", f"--run={tmp_path / 'run'}")
    assert outcome.status == 1 and "leave out bidirectional" in outcome.err
    assert not (tmp_path / "run").exists()


def test_emoji_are_a_preset() -> None:
    task: Any = tasks.get("spell")
    assert recipes.get("spell").presets["emoji"]().dataset in task.datasets
    with pytest.raises(PipelineError, match="no data set is called 'smileys'"):
        task.check(config.merge(recipes.get("spell").presets["emoji"](), {"dataset": "smileys"}))


def test_photographs_are_learnt_from_and_captioned(tmp_path: Path) -> None:
    few = {"units": 16, "filters": 4, "embedding": 8, "epochs": 3, "batch_size": 6}
    learnt = {**few, "learning_rate": 0.02, "dropout": 0.0}
    settings = config.merge(recipes.get("spell").presets["photos"](), learnt)
    splits = {"train": walls(36, 0), "restval": walls(12, 1), "val": walls(6, 2)}
    with served({**splits, "test": walls(9, 3)}):
        run = trained(tmp_path / "run", settings, ["nearest picture"])
    assert run.results["examples"] == {"train": 48, "validation": 6, "test": 9}
    assert run.results["baselines"]["nearest picture"]["exact"] == 1
    first, _, third = run.metrics
    assert third["loss"] < 0.8 * first["loss"]
    Image.new("RGB", (300, 200), (30, 40, 190)).save(tmp_path / "wall.png")
    (answer,) = run.task.predict(run, [str(tmp_path / "wall.png")])
    assert answer.text.endswith(f"\t{tmp_path / 'wall.png'}")
