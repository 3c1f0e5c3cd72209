"""Batches: every example once, neighbours of like length, in an order that can be repeated."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from pipeline import batches
from pipeline.examples import Examples

lengths = st.lists(st.integers(1, 500), min_size=1, max_size=300).map(np.array)


@given(lengths, st.integers(1, 64), st.integers(0, 2**31 - 1), st.integers(0, 100))
def test_an_epoch_has_every_example_once(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int
) -> None:
    plan = batches.shuffled(lengths, batch_size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(plan)) == list(range(len(lengths)))
    assert max(map(len, plan)) <= batch_size
    assert len(plan) == -(-len(lengths) // batch_size)


def test_the_order_follows_from_seed_and_epoch() -> None:
    lengths = np.arange(100)

    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(batches.shuffled(lengths, 7, seed=seed, epoch=epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_batches_are_padded_little() -> None:
    lengths = np.random.default_rng(0).integers(1, 400, 5000)
    plan = batches.shuffled(lengths, 32, seed=0, epoch=0)
    padded = sum(lengths[batch].max() * len(batch) for batch in plan)
    assert padded < 1.05 * lengths.sum()


def test_a_dataset_has_the_rows_with_their_targets() -> None:
    rows = [np.arange(1, 1 + length) for length in (3, 0, 5, 2)]
    examples = batches.sequences(rows, [30, 0, 50, 20])
    plan = [np.array([2, 0]), np.array([1]), np.array([3])]
    seen = [
        (inputs.numpy().tolist(), targets.numpy().tolist())
        for inputs, targets in batches.dataset(examples, plan)
    ]
    assert seen == [
        ([[1, 2, 3, 4, 5], [1, 2, 3, 0, 0]], [50, 30]),
        ([[0]], [0]),
        ([[1, 2]], [20]),
    ]


def test_a_dataset_of_frames_is_padded_with_frames_of_zeros() -> None:
    rows = [np.full((length, 2), length, np.float32) for length in (2, 1)]
    ((inputs, targets),) = batches.dataset(batches.frames(rows, [7, 8]), [np.array([1, 0])])
    assert inputs.numpy().tolist() == [[[1, 1], [0, 0]], [[2, 2], [2, 2]]]
    assert targets.numpy().tolist() == [8, 7]


def test_several_inputs_and_targets_go_by_their_names() -> None:
    letters = batches.sequences([np.array([1, 2]), np.array([3])], [0, 0]).inputs
    sizes = tf.constant([[10.0], [20.0]])
    inputs = {"letters": letters, "size": sizes}
    examples = Examples(inputs, {"sum": letters}, np.array([2, 1]))
    ((given, targets),) = batches.dataset(examples, [np.array([1, 0])])
    assert given["letters"].numpy().tolist() == [[3, 0], [1, 2]]
    assert given["size"].numpy().tolist() == [[20], [10]]
    assert targets["sum"].numpy().tolist() == [[3, 0], [1, 2]]
    takes = {
        "size": keras.Input((1,), name="size"),
        "letters": keras.Input((None,), dtype="int32", name="letters"),
    }
    total = ops.cast(ops.sum(takes["letters"], axis=1, keepdims=True), "float32")
    model = keras.Model(takes, takes["size"] + total)
    assert batches.outputs(model, examples).tolist() == [[13], [23]]


@pytest.mark.parametrize("count", [1, 128, 300])
def test_outputs_come_in_the_order_of_the_examples(count: int) -> None:
    random = np.random.default_rng(0)
    rows = [random.integers(1, 9, random.integers(0, 30)) for _ in range(count)]
    tokens = keras.Input((None,), dtype="int32")
    model = keras.Model(tokens, ops.sum(tokens, axis=1, keepdims=True))
    totals = batches.outputs(model, batches.sequences(rows, [0] * count))
    assert totals[:, 0].tolist() == [row.sum() for row in rows]
