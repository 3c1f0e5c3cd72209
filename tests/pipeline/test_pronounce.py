"""The pronounce task: it learns short words, and speaks, scores and exports what it learnt."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import exports
from pipeline import config, recipes, tasks
from pipeline.config.pronounce import PronounceConfig
from pipeline.data import loading, pronunciations
from pipeline.data.pronunciations import Word
from pipeline.examples import Examples
from pipeline.models import seq2seq
from pipeline.models.decoding import Hypothesis
from pipeline.run import Run
from tests.pipeline.dictionaries import dictionary, real_lines
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]

SMALL = {"units": 32, "embedding": 32, "epochs": 5, "batch_size": 32, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run[PronounceConfig]]:
    """A run on words of three and four letters, trained and tested. Leave it as it is."""
    lines = [line for line in real_lines() if len(line.split()[0]) in (3, 4)]
    settings = config.merge(recipes.get("pronounce").presets["pronounce"](), SMALL)
    with dictionary(lines[::4], tmp_path_factory.mktemp("words")):
        yield trained(tmp_path_factory.mktemp("runs") / "run", settings)


@pytest.fixture
def words(spoken: Run[PronounceConfig]) -> list[Word]:
    """The test split."""
    return loading.load("cmudict", pronunciations.SOURCES).test


def examples_of(letters: Sequence[Sequence[int]], phonemes: Sequence[Sequence[int]]) -> Examples:
    """Ids of letters that lead to ids of phonemes."""
    return seq2seq.examples({"letters": seq2seq.ragged(letters)}, phonemes)


def scored(
    listed: dict[str, list[str]], said: dict[str, list[tuple[str, float]]]
) -> dict[str, float]:
    """The figures of candidates and their probabilities, beside the listed pronunciations."""
    names = ["", "end", *pronunciations.PHONEMES]
    pairs = [(word, spoken) for word, each in listed.items() for spoken in each]
    examples = examples_of(
        [[1 + pronunciations.LETTERS.index(letter) for letter in word] for word, _ in pairs],
        [list(map(names.index, spoken.split())) for _, spoken in pairs],
    )
    answers = np.empty(len(pairs), object)
    for place, (word, _) in enumerate(pairs):
        answers[place] = [
            Hypothesis(tuple(map(names.index, text.split())), np.log(probability))
            for text, probability in said[word]
        ]
    return dict(tasks.get("pronounce").score(answers, examples))


def test_it_learns_and_is_measured_beside_two_baselines(spoken: Run[PronounceConfig]) -> None:
    results = spoken.results
    assert results["examples"] == {"train": 1784, "validation": 82, "test": 211}
    assert results["model"]["phoneme_error_rate"] < 0.35
    assert results["model"]["word_error_rate"] < 0.65
    assert list(results["baselines"]) == ["n-grams", "feed-forward network"]
    assert results["baselines"]["n-grams"]["phoneme_error_rate"] < 0.25
    assert results["baselines"]["feed-forward network"]["phoneme_error_rate"] < 0.5


def test_the_nearest_listed_pronunciation_counts() -> None:
    figures = scored(
        {"read": ["R IY1 D", "R EH1 D"], "lead": ["L IY1 D", "L EH1 D"], "a": ["AH0"]},
        {"read": [("R EH1 D", 0.9)], "lead": [("L EH2 T S", 0.9)], "a": [("AH0", 0.5)]},
    )
    assert figures == pytest.approx(
        {
            "phoneme_error_rate": 2 / 7,
            "word_error_rate": 1 / 3,
            "phoneme_error_rate_with_stress": 3 / 7,
            "word_error_rate_with_stress": 1 / 3,
        }
    )


def test_candidates_that_differ_in_stress_alone_are_one() -> None:
    candidates = [("D AH0", 0.4), ("D OW1", 0.3), ("D OW0", 0.2)]
    figures = scored({"do": ["D OW0"]}, {"do": candidates})
    assert figures["word_error_rate"] == 0 and figures["word_error_rate_with_stress"] == 1


def test_candidates_have_the_probabilities_of_the_model(spoken: Run[PronounceConfig]) -> None:
    from pipeline import batches

    model = spoken.model()
    letters = [[5, 6, 7], [8, 9, 10, 11]]
    examples = examples_of(letters, [(), ()])
    for word, found in zip(
        letters, spoken.task.answers(batches.compute(model), examples), strict=True
    ):
        assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
        for symbols, score in found:
            inputs = {"letters": np.array([word]), "previous": np.array([[1, *symbols]])}
            (steps,) = model(inputs).numpy()
            expected = np.log(steps[np.arange(len(steps)), [*symbols, 1]]).sum()
            assert score == pytest.approx(expected, abs=1e-4)


def test_predict_says_what_was_scored_and_what_is_listed(
    recurrent: Command, spoken: Run[PronounceConfig], words: list[Word]
) -> None:
    outcome = recurrent("predict", spoken.path, "zzyzx", *(word.spelling.upper() for word in words))
    assert outcome.status == 0, outcome.err
    (*_, unknown), *answers = (line.split("\t") for line in outcome.out.splitlines())
    assert unknown == "zzyzx"
    assert [spelling for *_, spelling in answers] == [word.spelling for word in words]
    assert all(0 < float(probability) <= 1 for _, probability, _ in answers)
    wrong = 0
    for word, (text, *_) in zip(words, answers, strict=True):
        told = pronunciations.without_stress(tuple(text.split()))
        wrong += told not in map(pronunciations.without_stress, word.pronunciations)
    assert wrong == round(len(words) * spoken.results["model"]["word_error_rate"])
    assert outcome.err.count("that is wrong: the test split has") == wrong
    assert outcome.err.count("that is right: the test split has") == len(words) - wrong


def test_the_export_agrees_on_every_test_word(
    recurrent: Command, spoken: Run[PronounceConfig], tmp_path: Path
) -> None:
    outcome = recurrent("export", spoken.path, f"--to={tmp_path / 'words'}")
    assert outcome.status == 0, outcome.err
    assert re.search(r"([0-9,]+) of \1\b", outcome.out)
    assert exports.verify(tmp_path / "words")["whole"].worst < 2e-5
    labels = exports.load(tmp_path / "words").labels
    assert labels is not None and labels[:3] == ["", "end", "B"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "an empty word"),
        ("  ", "an empty word"),
        ("two words", "has ' ': the model knows a to z and ' - . only"),
        ("naïve", "has 'ï'"),
        ("r2d2", "has '2'"),
        ("a" * 33, "has 33 letters: the model speaks up to 32"),
    ],
)
def test_what_is_no_word_is_answered_in_one_line(
    recurrent: Command, spoken: Run[PronounceConfig], given: str, said: str
) -> None:
    outcome = recurrent("predict", spoken.path, "fine", given)
    assert outcome.status == 1 and outcome.out == ""
    assert said in outcome.err and len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("cell", "bidirectional"), [("lstm", True), ("projectionlstm", True), ("qrnn", False)]
)
def test_any_layer_reads_and_writes(
    spoken: Run[PronounceConfig], cell: str, bidirectional: bool
) -> None:
    from pipeline.models import encoder_decoder

    settings = config.merge(spoken.config, {"cell": cell, "bidirectional": bidirectional})
    model = encoder_decoder.build(
        settings, source="letters", ids=9, symbols=8, embedding=6, name="any"
    )
    previous = np.array([[1, 2]])
    first, other, padded = (
        model({"letters": np.array([letters]), "previous": previous}).numpy()
        for letters in ([4, 5, 6], [3, 5, 6], [4, 5, 6, 0])
    )
    assert first.shape == (1, 2, 8)
    assert abs(first - other).max() > 1e-5
    np.testing.assert_allclose(padded, first, atol=1e-6)
