"""What the sentiment task says about texts, and what it is measured against."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import exports
from pipeline import batches, models, train
from pipeline.config.classify import ClassifyConfig
from pipeline.features import ngrams
from pipeline.run import Run
from tests.pipeline.small import Outcome, copy, small


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Run[ClassifyConfig]:
    """A run on enough reviews to tell good words from bad ones by counting."""
    run = Run.create(tmp_path_factory.mktemp("runs") / "run", small(limit=300, epochs=1))
    train.train(run)
    train.evaluate(run)
    return run


def test_results_have_the_model_beside_both_baselines(evaluated: Run[ClassifyConfig]) -> None:
    results = json.loads((evaluated.path / "results.json").read_text())
    assert results == evaluated.results
    assert results["examples"] == {"train": 300, "validation": 300, "test": 300}
    assert results["best_epoch"] == evaluated.best
    assert list(results["baselines"]) == ["averaged embeddings", "TF-IDF of words and bigrams"]
    for figures in (results["model"], *results["baselines"].values()):
        assert 0.35 < figures["accuracy"] < 0.9
        assert figures["seconds"] > 0
    assert results["baselines"]["TF-IDF of words and bigrams"]["accuracy"] > 0.65


def test_results_are_the_same_again(evaluated: Run[ClassifyConfig], tmp_path: Path) -> None:
    run = copy(evaluated, tmp_path / "run")
    first, again = evaluated.results, train.evaluate(run)
    assert again["model"] == first["model"]
    for name, figures in again["baselines"].items():
        assert figures["accuracy"] == first["baselines"][name]["accuracy"]


def test_sentences_are_drawn_to_learn_from_and_not_to_count(trained: Run[ClassifyConfig]) -> None:
    whole = trained.task.data(trained)
    more = trained.config.model_copy(update={"excerpts": 2})
    data = trained.task.data(Run(trained.path, more))
    assert len(data.train) == 3 * len(whole.train)
    assert data.train.lengths[: len(whole.train)].tolist() == whole.train.lengths.tolist()
    ours, theirs = (ngrams.words(each.counted, 500, 2).log_count_ratios for each in (data, whole))
    np.testing.assert_array_equal(ours, theirs)
    for name in ("validation", "test"):
        assert len(getattr(data, name)) == len(getattr(whole, name))
    seeded = trained.task.data(Run(trained.path, more.model_copy(update={"seed": 1})))
    assert not np.array_equal(seeded.train.inputs.flat, data.train.inputs.flat)


def test_a_prediction_has_label_probability_and_excerpt(trained: Run[ClassifyConfig]) -> None:
    (answer,) = trained.task.predict(trained, ["A good\n\n film " + "and more " * 30])
    label, probability, excerpt = answer.text.split("\t")
    assert label in ("neg", "pos") and 0.5 <= float(probability) <= 1
    assert excerpt.startswith("A good film and") and excerpt.endswith("…") and len(excerpt) == 60


def test_a_prediction_does_not_depend_on_its_neighbours(trained: Run[ClassifyConfig]) -> None:
    texts = ["the film", "", "a good film with a long text " * 5, "the"]
    alone = [answer for text in texts for answer in trained.task.predict(trained, [text])]
    assert trained.task.predict(trained, texts) == alone


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("", "there is no word in it"),
        (" \n\t ", "there is no word in it"),
        ("~~~ --- ~~~", "there is no word in it"),
        ("плохое кино", "the model knows none of its words"),
        ("映画", "the model knows none of its words"),
        ("the film " * 50_000, "only the first 30 of its 100,000 words were read"),
    ],
)
def test_a_text_that_is_hard_to_read_is_answered_with_a_note(
    trained: Run[ClassifyConfig], text: str, note: str
) -> None:
    (answer,) = trained.task.predict(trained, [text])
    assert answer.text.split("\t")[0] in ("neg", "pos")
    assert "\n" not in answer.text
    assert any(note in said for said in answer.notes)


def test_an_ordinary_text_needs_no_note(trained: Run[ClassifyConfig]) -> None:
    (answer,) = trained.task.predict(trained, ["the film is good"])
    assert answer.notes == ()


def test_the_model_is_finite_for_a_row_of_padding(trained: Run[ClassifyConfig]) -> None:
    rows = np.array([[0, 0, 0], [5, 6, 0]], np.int32)
    probabilities = trained.model().predict(rows, verbose=0)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-6)


def test_padding_changes_nothing(trained: Run[ClassifyConfig]) -> None:
    row = np.array([[5, 6, 7]], np.int32)
    padded = np.pad(row, [(0, 0), (0, 9)])
    model = trained.model()
    np.testing.assert_allclose(
        model.predict(padded, verbose=0), model.predict(row, verbose=0), atol=1e-6
    )


def test_log_count_ratios_count_each_word_once_a_review() -> None:
    rows = [np.array(ids, np.int32) for ids in ([1, 2, 2, 2], [2, 3], [3, 3], [4])]
    examples = batches.sequences(rows, np.array([1, 1, 0, 0], np.int32))
    negative = np.array([1, 1, 1, 2, 2]) / 7
    positive = np.array([1, 2, 3, 2, 1]) / 9
    ratios = ngrams.words(examples, 5, classes=2).log_count_ratios
    np.testing.assert_allclose(ratios, np.log(positive / negative)[:, None])


def test_log_count_ratios_of_several_classes_hold_each_against_the_others() -> None:
    rows = [np.array(ids, np.int32) for ids in ([1, 1], [1, 2], [2, 0])]
    examples = batches.sequences(rows, np.array([0, 1, 2], np.int32))
    own = np.array([[1, 2, 1], [1, 2, 2], [2, 1, 2]])
    other = np.array([[2, 2, 3], [2, 2, 2], [1, 3, 2]])
    expected = np.log(own / own.sum(1, keepdims=True) / (other / other.sum(1, keepdims=True)))
    ratios = ngrams.words(examples, 3, classes=3).log_count_ratios
    np.testing.assert_allclose(ratios, expected.T)


def test_pairs_begin_as_how_telling_they_are(trained: Run[ClassifyConfig]) -> None:
    """A pair that only one label has begins beyond zero on that side, whatever its words do."""
    texts = ["not good"] * 4 + ["good not"] * 4
    rows = [np.array([2, 3] if text == "not good" else [3, 2], np.int32) for text in texts]
    examples = batches.sequences(rows, np.arange(8) // 4)
    data = replace(trained.task.data(trained), counted=examples)
    model = trained.task.model(trained.config, data)
    table = model.get_layer("bigrams").get_weights()[0][:, 0]
    places = [(a * 31_337 + b) % trained.config.bigram_buckets for a, b in ((2, 3), (3, 2))]
    np.testing.assert_allclose(table[places], 0.3 * np.log([1 / 5, 5]), rtol=1e-4)
    words = model.get_layer("words").get_weights()[0][:, 0]
    np.testing.assert_allclose(
        words, 0.3 * ngrams.words(examples, len(words), 2).log_count_ratios[:, 0], rtol=1e-5
    )


def test_words_are_dropped_whole_and_features_one_by_one(trained: Run[ClassifyConfig]) -> None:
    config = trained.config.model_copy(update={"dropout": 0.75, "word_dropout": 0.25})
    model = trained.task.model(config, trained.task.data(trained))
    dropped = [each for each in model.layers if isinstance(each, keras.layers.Dropout)]
    whole = [each.rate for each in dropped if each.noise_shape]
    assert whole == [0.25, 0.25]  # of words, and of pairs of them
    assert {each.rate for each in dropped if not each.noise_shape} == {0.75}


def test_the_vote_of_counts_is_that_of_a_regression_on_their_ratios(
    trained: Run[ClassifyConfig],
) -> None:
    """Beside another regression, on counts made one by one; with places enough for every pair."""
    config = trained.config.model_copy(update={"regression_weight": 0.25, "bigram_buckets": 2**20})
    data = trained.task.data(trained)
    model = trained.task.model(config, data)
    rows = list(data.counted.inputs)
    vote = next(layer for layer in model.layers if isinstance(layer, models.Vote))
    learning, fitted = vote.input
    outputs = keras.Model(model.input, [learning, fitted, model.output])
    padded = data.counted.inputs.padded(np.arange(len(rows)))
    learning, fitted, probabilities = outputs(padded, training=False)

    fixed = {layer.name for layer in model.layers if layer.weights and not layer.trainable}
    assert fixed == {"counted_words", "counted_bigrams"}

    blocks = []
    words, pairs = [[*row] for row in rows], [[*pairwise(row)] for row in rows]
    for grams, size in ((words, len(data.feature.vocabulary)), (pairs, config.bigram_buckets)):
        names = sorted({gram for row in grams for gram in row})
        counts = np.array([[row.count(name) for name in names] for row in grams], float)
        blocks.append(_telling(counts, data.counted.targets.numpy(), size))
    regression = LogisticRegression(C=30.0, solver="liblinear", random_state=0)
    odds = regression.fit(np.hstack(blocks), data.counted.targets.numpy())
    expected = odds.decision_function(np.hstack(blocks))
    np.testing.assert_allclose(fitted[:, 1] - fitted[:, 0], expected, rtol=0.2)
    mixed = 0.75 * np.asarray(learning) + 0.25 * np.asarray(fitted)
    np.testing.assert_allclose(probabilities, np.asarray(keras.ops.softmax(mixed)), atol=1e-5)


def test_while_training_the_network_answers_alone() -> None:
    learning, fitted = np.array([[1.0, -1.0]]), np.array([[-9.0, 9.0]])
    vote = models.Vote(0.5)
    np.testing.assert_array_equal(vote(learning, fitted, training=True), learning)
    np.testing.assert_array_equal(vote(learning, fitted), [[-4.0, 4.0]])


def test_a_model_that_counts_is_trained_exported_and_asked(
    recurrent: Callable[..., Outcome], tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", small(regression_weight=0.5, cell="lstm"))
    train.train(run)
    outcome = recurrent("export", run.path, f"--to={tmp_path / 'artifact'}")
    assert outcome.status == 0, outcome.err
    assert exports.verify(tmp_path / "artifact")["model"].worst < 2e-5
    assert (tmp_path / "artifact" / "onnx" / "text.onnx").exists()
    (answer,) = run.task.predict(run, ["a good film"])
    assert answer.text.split("\t")[0] in ("neg", "pos")


def _telling(counts: np.ndarray, labels: np.ndarray, size: int) -> np.ndarray:
    """Counts over the root of their sum, times log P(gram | positive) / P(gram | negative).

    There are `size` grams, most of them in no review.
    """
    present = counts > 0
    positive, negative = (1 + present[labels == label].sum(0) for label in (1, 0))
    others = size - counts.shape[1]
    ratios = np.log(positive / (positive.sum() + others))
    ratios -= np.log(negative / (negative.sum() + others))
    return counts / np.sqrt(counts.sum(1, keepdims=True)) * ratios
