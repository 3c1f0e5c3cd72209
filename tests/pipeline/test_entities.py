"""Entities are those of the CoNLL shared tasks, and padding counts for nothing."""

import random

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports import answers
from pipeline import entities
from pipeline.metrics import StepAccuracy, step_crossentropy

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SENTENCES = st.lists(st.sampled_from(TAGS), min_size=1, max_size=8)


def all_spans(tags: list[str]) -> set[tuple[int, int, str]]:
    """Every span that begins as an entity does, goes on inside, and goes no further."""

    def begins(place: int) -> bool:
        kind, before = tags[place][2:], tags[place - 1] if place else "O"
        return tags[place][0] == "B" or (tags[place][0] == "I" and before[2:] != kind)

    return {
        (start, end, tags[start][2:])
        for start in range(len(tags))
        for end in range(start + 1, len(tags) + 1)
        if begins(start)
        and all(tag == f"I-{tags[start][2:]}" for tag in tags[start + 1 : end])
        and (end == len(tags) or tags[end] != f"I-{tags[start][2:]}")
    }


@given(SENTENCES)
def test_entities_are_all_such_spans(tags: list[str]) -> None:
    found = list(answers.entities(tags))
    assert set(found) == all_spans(tags) and len(found) == len(set(found))


@given(st.lists(st.tuples(SENTENCES, st.randoms()), min_size=1, max_size=4))
def test_precision_and_recall_count_exact_spans(pairs: list[tuple[list[str], object]]) -> None:
    truth = [tags for tags, _ in pairs]
    found = [[draw.choice([tag, "O", "B-PER"]) for tag in tags] for tags, draw in pairs]  # type: ignore[attr-defined]
    true, predicted = (
        {(place, *span) for place, tags in enumerate(each) for span in all_spans(tags)}
        for each in (truth, found)
    )
    right = len(true & predicted)
    precision, recall = right / max(len(predicted), 1), right / max(len(true), 1)
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    expected = {"precision": precision, "recall": recall, "f1": f1}
    assert entities.score(truth, found) == pytest.approx(expected)


@given(SENTENCES, st.randoms())
def test_each_wrong_entity_is_told_once(truth: list[str], draw: random.Random) -> None:
    found = [draw.choice([tag, *TAGS]) for tag in truth]
    true, claimed = all_spans(truth), all_spans(found)

    def meets(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
        return bool({*range(*one[:2])} & {*range(*other[:2])})

    told = list(entities.differences(truth, found))
    assert sorted(each.true for each in told if each.true) == sorted(true - claimed)
    alone = {each for each in claimed if not any(meets(each, other) for other in true)}
    assert {each.found for each in told if each.error == "not there"} == alone
    for error, right, said in told:
        if right and said:
            assert said in claimed and meets(right, said)
            other_span, other_kind = right[:2] != said[:2], right.kind != said.kind
            assert (
                error
                == f"another {'span' * other_span}{' and ' * (other_span and other_kind)}"
                + ("kind" * other_kind)
            )
        elif right:
            assert error == "not found" and not any(meets(right, each) for each in claimed)


@given(SENTENCES, st.randoms())
def test_entities_of_each_kind_are_measured_by_themselves(
    truth: list[str], draw: random.Random
) -> None:
    found = [draw.choice([tag, *TAGS]) for tag in truth]
    measured = entities.by_kind([truth], [found])
    assert measured.keys() == {kind for *_, kind in all_spans(truth) | all_spans(found)}
    for kind, figures in measured.items():
        alone = [[tag if tag[2:] == kind else "O" for tag in each] for each in (truth, found)]
        true, claimed = map(all_spans, alone)
        assert (figures.pop("true"), figures.pop("found")) == (len(true), len(claimed))
        assert figures == pytest.approx(entities.score(*([each] for each in alone)))


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-PER I-PER O", [(0, 2, "PER")]),
        ("B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("O I-PER I-PER", [(1, 3, "PER")]),
        ("B-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
        ("O O", []),
    ],
)
def test_tags_that_are_not_well_formed_have_entities_too(
    tags: str, spans: list[tuple[int, int, str]]
) -> None:
    assert list(answers.entities(tags.split())) == spans


def test_tags_of_entities_are_told_from_others() -> None:
    assert entities.are_known(TAGS) and entities.are_known(["O", "I-NP"])
    for others in (["NOUN", "VERB"], ["O", "A"], ["O"], ["wake", "rem"], ["O", "B-PER", "NOUN"]):
        assert not entities.are_known(others)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 3), st.integers(0, 99))
def test_padding_counts_neither_in_the_loss_nor_in_the_accuracy(
    lengths: list[int], more: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    shape = len(lengths), max(lengths) + more
    labels = random.integers(0, 3, shape)
    probabilities = random.dirichlet(np.ones(3), shape).astype(np.float32)
    real = np.arange(shape[1]) < np.array(lengths)[:, None]
    targets = np.where(real, labels + 1, 0)
    believed = np.take_along_axis(probabilities, labels[..., None], axis=-1)[..., 0]
    loss = float(step_crossentropy(targets, probabilities))
    np.testing.assert_allclose(loss, -np.log(np.maximum(believed, 1e-7))[real].mean(), rtol=1e-4)
    accuracy = StepAccuracy()
    for part in (slice(0, 1), slice(1, None)):
        if len(targets[part]):
            accuracy.update_state(targets[part], probabilities[part])
    right = (probabilities.argmax(-1) == labels)[real]
    np.testing.assert_allclose(float(accuracy.result()), right.mean(), rtol=1e-6)


def test_a_model_with_a_mask_is_trained_on_the_loss_of_its_steps() -> None:
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32")
    steps = keras.layers.Embedding(9, 4, mask_zero=True)(tokens)
    model = keras.Model(tokens, keras.layers.Dense(3, activation="softmax")(steps))
    model.compile(loss=step_crossentropy, metrics=[StepAccuracy(name="accuracy")])
    ids, targets = np.array([[3, 4, 5], [6, 0, 0]]), np.array([[1, 2, 3], [2, 0, 0]])
    found = model.evaluate(ids, targets, verbose=0, return_dict=True)
    believed = np.take_along_axis(model.predict(ids, verbose=0), targets[..., None] - 1, axis=-1)
    expected = -np.log(believed[..., 0][targets > 0]).mean()
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
