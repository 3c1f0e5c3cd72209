"""The translate task: it learns another order of words, and writes, scores and exports."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import exports
from pipeline import config, recipes, tasks
from pipeline.config.translate import TranslateConfig
from pipeline.models import seq2seq
from pipeline.run import Run
from tests.pipeline.served import served
from tests.pipeline.small import Outcome, trained
from tests.pipeline.talks import WORDS, told

Command = Callable[..., Outcome]

SMALL = {"units": 24, "embedding": 24, "epochs": 6, "batch_size": 16, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def translated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run[TranslateConfig]]:
    """A run on 240 sentences, trained and tested. Leave it as it is."""
    pairs = told(310, seed=0)
    long = {"pt": " ".join(["gato"] * 61), "en": "cat"}
    splits = {"train": [*pairs[:240], long], "validation": pairs[240:260], "test": pairs[260:]}
    settings = config.merge(recipes.get("translate").presets["translate"](), SMALL)
    with served(splits):
        yield trained(tmp_path_factory.mktemp("runs") / "run", settings)


def scored(right: Sequence[Sequence[int]], given: Sequence[tuple[int, ...]]) -> float:
    """BLEU of translations as ids."""
    examples = seq2seq.examples({"words": seq2seq.ragged(right)}, right)
    answers = np.fromiter(given, object, len(given))
    return tasks.get("translate").score(answers, examples)["bleu"]


def test_it_learns_and_is_measured_beside_two_baselines(translated: Run[TranslateConfig]) -> None:
    results = translated.results
    assert results["examples"] == {"train": 240, "validation": 20, "test": 50}
    assert results["model"]["bleu"] > 0.7
    assert list(results["baselines"]) == ["word by word", "nearest sentence"]
    assert results["baselines"]["word by word"]["bleu"] < 0.5
    assert 0.2 < results["baselines"]["nearest sentence"]["bleu"] < 0.9


def test_bleu_is_that_of_the_formula() -> None:
    sentence = [10, 11, 12, 13, 14, 15]
    assert scored([sentence], [tuple(sentence)]) == pytest.approx(1)
    # 5 of 6 words, 4 of 5 pairs, 3 of 4 triples, 2 of 3 of four are right
    expected = (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** (1 / 4)
    assert scored([sentence], [(10, 11, 12, 13, 14, 9)]) == pytest.approx(expected)
    # all of 5 words are right, and one is missing
    assert scored([sentence], [(10, 11, 12, 13, 14)]) == pytest.approx(np.exp(1 - 6 / 5))


def test_mistakes_are_read_in_words(translated: Run[TranslateConfig]) -> None:
    data = translated.task.data(translated)
    sentences = data.sentences.test
    numbers = {word: place for place, word in enumerate(data.vocabulary)}
    answers = np.empty(len(sentences), object)
    for place, each in enumerate(sentences):
        answers[place] = tuple(numbers[word] for word in each.translation)
    answers[3] = (numbers["cat"], *answers[3][1:-1])
    error_analysis = translated.task.error_analysis(translated.config, data, answers)
    assert error_analysis is not None
    assert error_analysis.errors.tolist() == [2 if place == 3 else 0 for place in range(50)]
    right = " ".join(sentences[3].translation)
    answer = " ".join(["cat", *sentences[3].translation[1:-1]])
    assert error_analysis.read(3) == (" ".join(sentences[3].sentence), right, answer)


def test_an_unknown_word_is_never_right() -> None:
    unknown = [10, 11, 12, 13, 14, 2]
    assert scored([unknown], [tuple(unknown)]) == scored([unknown], [(10, 11, 12, 13, 14, 9)]) < 1


def test_word_by_word_keeps_the_order(translated: Run[TranslateConfig]) -> None:
    data = translated.task.data(translated)
    baseline = translated.task.baselines(translated)["word by word"]
    found = baseline(translated.config, data, lambda *_: pytest.fail("there is nothing to train"))
    for sentence, ids in zip(data.sentences.test, found, strict=True):
        expected = [words[word] for words, word in zip(WORDS, sentence.sentence, strict=True)]
        assert [data.vocabulary[each] for each in ids] == expected


def test_predict_writes_what_was_scored(
    recurrent: Command, translated: Run[TranslateConfig]
) -> None:
    typed = "O gato PRETO tem o livro zzyzx."
    outcome = recurrent("predict", translated.path, *range(1, 51), typed)
    assert outcome.status == 0, outcome.err
    *answers, last = (line.split("\t") for line in outcome.out.splitlines())
    data = translated.task.data(translated)
    right = [" ".join(each.translation) for each in data.sentences.test]
    assert [outcome.err.count(f"the test split has {each}") for each in right] == [1] * 50
    numbers = {word: place for place, word in enumerate(data.vocabulary)}
    given = [tuple(numbers[word] for word in text.split()) for text, *_ in answers]
    bleu = translated.task.score(np.fromiter(given, object, 50), data.test)["bleu"]
    assert bleu == pytest.approx(translated.results["model"]["bleu"])
    assert all(0 < float(probability) <= 1 for _, probability, _ in answers)
    assert last[2] == typed and last[0].startswith("the ")
    assert "the model does not know zzyzx" in outcome.err


def test_the_export_agrees_on_every_compared_sentence(
    recurrent: Command, translated: Run[TranslateConfig], tmp_path: Path
) -> None:
    outcome = recurrent("export", translated.path, f"--to={tmp_path / 'words'}")
    assert outcome.status == 0, outcome.err
    assert exports.verify(tmp_path / "words")["whole"].worst < 2e-5
    labels = exports.load(tmp_path / "words").labels
    assert labels is not None
    assert labels[:3] == ["", "end", "<unknown>"] and {"gato", "cat"} < set(labels)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "there is no word in '': give a sentence"),
        (" \t", "there is no word in"),
        ("gato " * 61, "has 61 words: give up to 60"),
        ("51", "test sentences are 1 to 50, and 51 is none"),
    ],
)
def test_what_is_no_sentence_is_answered_in_one_line(
    recurrent: Command, translated: Run[TranslateConfig], given: str, said: str
) -> None:
    outcome = recurrent("predict", translated.path, "o gato", given)
    assert outcome.status == 1 and outcome.out == ""
    assert said in outcome.err and len(outcome.err.splitlines()) == 1


def test_a_vocabulary_of_another_size_is_damaged(
    recurrent: Command, translated: Run[TranslateConfig], tmp_path: Path
) -> None:
    shutil.copytree(translated.path, tmp_path / "run")
    Run.open(tmp_path / "run").keep_vocabulary(["", "end", "<unknown>", "cat"])
    outcome = recurrent("predict", tmp_path / "run", "o gato")
    assert outcome.status == 1
    assert "vocabulary.txt is damaged: it has 4 words, and the model knows" in outcome.err
