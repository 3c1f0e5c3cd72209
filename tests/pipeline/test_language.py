"""The task language: it learns, and goes on with a text as the model says."""

import math
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import exports
from exports.runtime.generation import Sampling
from exports.runtime.predictor import Predictor
from exports.runtime.tokens import TOKENIZERS, Tokenizer, Vocabulary
from pipeline import config, recipes, tasks
from pipeline.config.language import LanguageConfig
from pipeline.data import running, store
from pipeline.errors import PipelineError
from pipeline.run import Run
from pipeline.tasks import language
from pipeline.tasks.language import Language, LanguageData
from tests.pipeline.small import Outcome, trained, truncate

Command = Callable[..., Outcome]

CHARS = ("Kneser-Ney, 7 tokens", "feed-forward network, 10 tokens")
WORDS = ("Kneser-Ney, 5 tokens",)
LONGEST = 300  # tokens of a prompt

SMALL = {
    "limit": 16,
    "epochs": 2,
    "units": 16,
    "embedding_dim": 16,
    "window": 50,
    "batch_size": 16,
    "learning_rate": 0.01,
    "vocabulary_size": 300,
    "dropout": 0.0,
}


def small(name: str, **settings: Any) -> LanguageConfig:
    return config.merge(recipes.get(name).presets[name](), SMALL, settings)


@pytest.fixture(scope="module")
def chars(tmp_path_factory: pytest.TempPathFactory) -> Run[LanguageConfig]:
    """A run on the characters of 16 scenes, trained and tested. Leave it as it is."""
    return trained(tmp_path_factory.mktemp("runs") / "chars", small("next_char"), CHARS)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Run[LanguageConfig]:
    """A run on their words, trained and tested. Leave it as it is."""
    settings = small("next_word", cell="gru", window=20, epochs=3)
    return trained(tmp_path_factory.mktemp("runs") / "words", settings, WORDS)


@pytest.fixture(params=["chars", "words"])
def either(request: pytest.FixtureRequest) -> Run[LanguageConfig]:
    """Each of the two runs."""
    run: Run[LanguageConfig] = request.getfixturevalue(request.param)
    return run


def language_of(run: Run[LanguageConfig]) -> Language:
    assert isinstance(run.task, Language)
    return run.task


def tokenizer_of(run: Run[LanguageConfig]) -> Tokenizer:
    return TOKENIZERS[{"words": "prose"}.get(run.config.tokens, run.config.tokens)]


@cache
def whole(run: Run[LanguageConfig]) -> tuple[LanguageData, Any]:
    """The data of `run`, and its model."""
    return run.task.data(run), run.model()


def likely(run: Run[LanguageConfig], prompt: str) -> np.ndarray:
    """The probability of each token after `prompt`, from the model of whole texts."""
    data, model = whole(run)
    ids = data.vocabulary.encode(tokenizer_of(run).split(prompt))
    padded = np.pad(ids, (0, LONGEST - len(ids)))[None]  # nothing reads backwards
    return model.predict(padded, verbose=0)[0, len(ids) - 1]


def guessing(run: Run[LanguageConfig]) -> float:
    """The surprise of the test split, in nats, to who knows how frequent each token is."""
    data, _ = whole(run)
    known, tested = (language.text(split)[1:].tolist() for split in (data.train, data.test))
    counts, size = Counter(known), len(data.vocabulary.tokens)
    probabilities = ((counts[token] + 1) / (len(known) + size) for token in tested)
    return -sum(map(math.log, probabilities)) / len(tested)


def test_next_char_learns_and_is_measured_beside_two_baselines(chars: Run[LanguageConfig]) -> None:
    results = chars.results
    assert results["model"]["nats"] < guessing(chars) - 0.3
    assert results["model"]["bits"] == pytest.approx(results["model"]["nats"] / math.log(2))
    for name in CHARS:
        assert results["baselines"][name]["nats"] < guessing(chars) - 0.3


def test_next_word_learns_and_is_measured_beside_counting(words: Run[LanguageConfig]) -> None:
    results = words.results
    bar = 0.9 * math.exp(guessing(words))
    assert results["model"]["perplexity"] < bar
    for name in WORDS:
        assert results["baselines"][name]["perplexity"] < bar


def test_the_score_is_of_every_token_of_the_test_texts(either: Run[LanguageConfig]) -> None:
    data, model = whole(either)
    outputs = model.predict(data.test.inputs.padded(np.arange(len(data.test))), verbose=0)
    logarithms = [
        math.log(row[target])
        for rows, targets in zip(outputs, data.test.targets, strict=True)
        for row, target in zip(rows, targets, strict=False)
    ]
    assert len(logarithms) == len(language.text(data.test)) - 1
    for name, figure in either.task.score(np.array(logarithms), data.test).items():
        assert either.results["model"][name] == pytest.approx(figure, rel=1e-4)


@pytest.mark.parametrize("length", [1, 3, 4, 100])
def test_windows_are_the_text_again_and_targets_what_comes_next(length: int) -> None:
    for size in (2, 4, 5, 13):
        ids = np.arange(1, size + 1, dtype=np.int32)
        cut = language.windows(ids, length)
        assert cut.lengths.sum() == size - 1 and cut.lengths.max() <= length
        assert np.array_equal(cut.inputs.flat + 1, cut.targets.flat)
        assert language.text(cut).tolist() == ids.tolist()


def test_the_most_frequent_tokens_are_known() -> None:
    vocabulary = Vocabulary.of("abracadabra", 4)
    assert vocabulary.tokens == ("", "[UNK]", "a", "b")
    assert vocabulary.encode("bad").tolist() == [3, 2, 1]
    assert "b" in vocabulary and "d" not in vocabulary


def test_the_vocabulary_is_made_of_the_training_texts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = running.load

    def with_strange_letters(*given: Any) -> Any:
        return load(*given)._replace(validation=["☉" * 9999], test=["☽" * 9999])

    monkeypatch.setattr(running, "load", with_strange_letters)
    monkeypatch.setattr(store, "_folder", lambda: tmp_path / "store")
    run = Run.create(tmp_path / "run", small("next_char"))
    vocabulary = language_of(run).data(run).vocabulary
    assert "e" in vocabulary and "☉" not in vocabulary and "☽" not in vocabulary


def test_padding_is_no_part_of_the_loss() -> None:
    probabilities = np.full((1, 4, 3), 0.25, np.float32)
    probabilities[..., 2] = 0.5
    loss = tasks.get("language").loss(small("next_char"), None)
    assert float(loss(np.array([[1, 2, 0, 0]]), probabilities)) == pytest.approx(
        (math.log(4) + math.log(2)) / 2
    )


def test_a_text_of_words_is_written_as_it_was_read() -> None:
    words = TOKENIZERS["prose"]
    text = "ROMEO:\n[Aside] But, soft! what's o'er (yonder)?\nIt is -- the East."
    tokens = list(words.split(text))
    assert tokens[:5] == ["ROMEO", ":", "\n", "[", "Aside"] and "what's" in tokens
    written = ""
    for token in tokens:
        written += words.spelled(token, written)
    assert written == text
    assert words.spelled("sun", "the ") == "sun"


# Predictions


def test_predict_gives_the_likeliest_tokens(
    recurrent: Command, either: Run[LanguageConfig]
) -> None:
    outcome = recurrent("predict", either.path, "the king", "the king 漢字")
    assert outcome.status == 0, outcome.err
    first, second = outcome.out.splitlines()
    probabilities = np.sort(likely(either, "the king"))[::-1]
    shown = [float(each.rsplit(" ", 1)[1]) for each in first.split("\t")]
    assert shown == pytest.approx(probabilities[:5].tolist(), abs=6e-4)
    assert len(second.split("\t")) == 5
    assert len(outcome.err.splitlines()) == 1 and "text 2: the model does not know" in outcome.err


def test_a_long_prompt_is_read_in_chunks_and_never_forgotten(chars: Run[LanguageConfig]) -> None:
    prompt = ("Now is the winter of our discontent. " * 20)[: language._CHUNK + 1]
    (answer,) = chars.task.predict(chars, [prompt])
    probability = float(answer.text.split("\t")[0].rsplit(" ", 1)[1])
    assert probability == pytest.approx(float(likely(chars, prompt).max()), abs=6e-4)


# Generation


def test_the_same_seed_writes_the_same_text(recurrent: Command, chars: Run[LanguageConfig]) -> None:
    def written(seed: int) -> str:
        options = ("--prompt=KING:\n", "--tokens=60", f"--seed={seed}", "--temperature=0.8")
        outcome = recurrent("generate", chars.path, *options)
        assert outcome.status == 0 and outcome.err == ""
        return outcome.out

    first = written(1)
    assert first == written(1) != written(2)
    assert first.startswith("KING:\n") and first.endswith("\n")
    assert len(first) == len("KING:\n") + 60 + 1


def test_at_temperature_0_each_token_is_the_likeliest(either: Run[LanguageConfig]) -> None:
    tokens = whole(either)[0].vocabulary.tokens
    pieces = language_of(either).generate(either, "The", Sampling(temperature=0.0)).pieces
    written = "The"
    for piece in islice(pieces, 8):
        probabilities = likely(either, written)
        probabilities[:2] = 0.0
        assert piece.strip(" ") == tokens[probabilities.argmax()].strip(" ")
        written += piece


def test_without_a_prompt_a_text_begins(recurrent: Command, words: Run[LanguageConfig]) -> None:
    outcome = recurrent("generate", words.path, "--tokens=20")
    assert outcome.status == 0 and outcome.err == ""
    assert "[UNK]" not in outcome.out and not outcome.out.startswith(" ")


def test_what_the_model_does_not_know_of_a_prompt_is_noted(
    recurrent: Command, chars: Run[LanguageConfig]
) -> None:
    outcome = recurrent("generate", chars.path, "--prompt=漢 king", "--tokens=5")
    assert outcome.status == 0 and outcome.out.startswith("漢 king")
    assert outcome.err == 'recurrent: prompt: the model does not know "漢"\n'


def test_text_is_there_while_it_is_written(
    recurrent: Command, chars: Run[LanguageConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who has enough ends what would go on for years."""
    source, sink = os.pipe()
    read: list[bytes] = []

    def read_a_little() -> None:
        with open(source, "rb") as file:
            read.append(file.read(40))

    reader = Thread(target=read_a_little)
    reader.start()
    with suppress(BrokenPipeError), open(sink, "w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        outcome = recurrent("generate", chars.path, "--prompt=KING:", "--tokens=1000000000")
    reader.join()
    assert read[0].startswith(b"KING:")
    assert outcome == Outcome(1, "", "")


def test_tokens_are_drawn_as_often_as_temperature_and_top_p_say() -> None:
    probabilities = np.array([0.1, 0.0, 0.6, 0.3])
    random = np.random.default_rng(0)

    def drawn(**options: Any) -> list[float]:
        sampling = Sampling(**options)
        counts = Counter(sampling.draw(probabilities, random) for _ in range(4000))
        return [counts[token] / 4000 for token in range(4)]

    squares = np.array([0.01, 0.0, 0.36, 0.09])
    assert drawn() == pytest.approx(probabilities.tolist(), abs=0.03)
    assert drawn(temperature=0.5) == pytest.approx((squares / squares.sum()).tolist(), abs=0.03)
    assert drawn(top_p=0.7) == pytest.approx([0, 0, 2 / 3, 1 / 3], abs=0.03)
    assert drawn(temperature=1e-300) == drawn(temperature=0.0) == drawn(top_p=1e-9) == [0, 0, 1, 0]
    assert drawn(temperature=100.0)[1] == 0
    halves = np.array([0.25, 0.5, 0.25])
    assert {Sampling(top_p=0.5).draw(halves, random) for _ in range(50)} == {1}


# Exports


def test_the_export_agrees_and_streams(
    recurrent: Command, chars: Run[LanguageConfig], tmp_path: Path
) -> None:
    to = tmp_path / "artifact"
    outcome = recurrent("export", chars.path, "--to", to, "--streaming")
    assert outcome.status == 0, outcome.err
    assert all(proof.worst < 2e-5 for proof in exports.verify(to).values())
    predictor = Predictor(to)
    vocabulary = whole(chars)[0].vocabulary
    assert tuple(predictor.labels or ()) == vocabulary.tokens
    stream = predictor.stream()
    for token in vocabulary.encode(tokenizer_of(chars).split("the king")):
        (probabilities,) = stream.feed(np.array([[token]])).values()
    np.testing.assert_allclose(probabilities[0, 0], likely(chars, "the king"), atol=1e-5)


# Mistakes


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--temperature=-1", "the temperature must be 0 to 100, not -1.0"),
        ("--temperature=nan", "the temperature must be 0 to 100, not nan"),
        ("--top-p=0", "top_p must be above 0 and at most 1, not 0.0"),
        ("--seed=-1", "the seed must be 0 or more, not -1"),
    ],
)
def test_a_sampling_that_cannot_be_is_answered_in_one_line(
    recurrent: Command, chars: Run[LanguageConfig], option: str, said: str
) -> None:
    assert recurrent("generate", chars.path, option) == Outcome(1, "", f"recurrent: {said}\n")


def test_a_run_that_writes_no_text_says_so(recurrent: Command, tmp_path: Path) -> None:
    Run.create(tmp_path / "heard", recipes.get("digits").presets["digits"]())
    outcome = recurrent("generate", tmp_path / "heard")
    assert outcome.status == 1 and outcome.out == ""
    assert "classify writes no text; tasks that do: language" in outcome.err


def test_a_run_that_is_not_trained_says_so(recurrent: Command, tmp_path: Path) -> None:
    Run.create(tmp_path / "new", small("next_char"))
    outcome = recurrent("generate", tmp_path / "new", "--prompt=a")
    assert outcome == Outcome(1, "", f"recurrent: {tmp_path / 'new'} has no trained model yet\n")


def test_reading_from_both_ends_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="language reads forwards only"):
        Run.create(tmp_path / "run", small("next_char", bidirectional=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "no JSON", "a token less"])
def test_a_damaged_vocabulary_is_named_in_one_line(
    recurrent: Command, chars: Run[LanguageConfig], tmp_path: Path, damage: str
) -> None:
    shutil.copytree(chars.path, tmp_path / "run")
    file = tmp_path / "run" / "vocabulary.txt"
    lines = file.read_text().splitlines(keepends=True)
    if damage == "cut":
        truncate(file)
    elif damage == "no JSON":
        file.write_text("".join(["word\n", *lines[1:]]))
    else:
        file.write_text("".join(lines[:-1]))
    outcome = recurrent("generate", tmp_path / "run")
    assert outcome.status == 1 and outcome.out == "" and outcome.err.count("\n") == 1
    assert "vocabulary.txt is damaged" in outcome.err
