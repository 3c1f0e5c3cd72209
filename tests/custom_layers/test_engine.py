"""What the engine does to every cell: zoneout, truncated and clipped back-propagation."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import custom_layers
from tests.custom_layers.table import Case
from tests.custom_layers.test_conformance import (
    BATCH,
    MASKS,
    TIME,
    assert_all_close,
    built,
    inputs,
    randomize,
    states,
)


def gradients(layer: keras.layers.Layer, x: Any, **options: Any) -> list[np.ndarray]:
    """Return the gradients of a curved function of a layer's outputs."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.sin(layer(x, **options)))
    return [np.asarray(each) for each in tape.gradient(loss, [x, *layer.trainable_variables])]


class Stepwise(keras.layers.Layer):
    """The cell step by step in the open, with a function of the state between the steps."""

    def __init__(self, cell: custom_layers.Cell, between: Any) -> None:
        super().__init__()
        self.cell = cell
        self.between = between

    def call(self, x: Any) -> Any:
        state, outputs = self.cell.get_initial_state(BATCH), []
        for time in range(TIME):
            state = [self.between(time, each) for each in state]
            output, state = self.cell(x[:, time], state)
            outputs.append(output)
        return tf.stack(outputs, axis=1)


@pytest.mark.parametrize("truncate", [1, 3, TIME + 1])
def test_truncated_gradients_stop_after_so_many_steps(case: Case, truncate: int) -> None:
    layer = built(case.make(return_sequences=True, truncate=truncate))
    randomize(layer)
    reference = Stepwise(
        layer.cell,
        lambda time, state: tf.stop_gradient(state) if time % truncate == 0 else state,
    )
    x = tf.constant(inputs())
    assert_all_close(gradients(layer, x, training=True), gradients(reference, x))


def test_clipped_gradients_are_clipped_at_every_step(case: Case) -> None:
    layer = built(case.make(return_sequences=True, clip_state_gradient=0.1))
    randomize(layer)

    @tf.custom_gradient
    def clipped(state: Any) -> Any:
        return tf.identity(state), lambda gradient: tf.clip_by_norm(gradient, 0.1, axes=[-1])

    reference = Stepwise(layer.cell, lambda _, state: clipped(state))
    x = tf.constant(inputs())
    ours = gradients(layer, x, training=True)
    assert_all_close(ours, gradients(reference, x))
    free = built(case.make(return_sequences=True))
    free.set_weights(layer.get_weights())
    assert np.abs(ours[1] - gradients(free, x, training=True)[1]).max() > 0.01


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mask", ["none", "holes"])
def test_zoneout_keeps_a_part_of_each_state(case: Case, training: bool, mask: str) -> None:
    layer = built(case.make(return_sequences=True, return_state=True, zoneout=0.3, seed=5))
    randomize(layer)
    seen = []
    walk = layer.walk

    def watched(recurrence: Any, *rest: Any) -> Any:
        seen.append(recurrence.held)
        return walk(recurrence, *rest)

    layer.walk = watched
    state = tuple(states(layer))
    outputs, *final = layer(
        inputs(), initial_state=list(state), mask=MASKS[mask], training=training
    )
    held = [np.asarray(each) for each in seen[0]] if training else None
    shown = np.zeros_like(state[0])
    for time in range(TIME):
        stepped = case.equations(inputs()[:, time], state, layer.get_weights())
        if held is None:
            stepped = tuple(0.3 * o + 0.7 * n for o, n in zip(state, stepped, strict=True))
        else:
            stepped = tuple(
                np.where(h[:, time], o, n) for h, o, n in zip(held, state, stepped, strict=True)
            )
        real = np.ones(BATCH, bool) if mask == "none" else MASKS[mask][:, time]
        state = tuple(np.where(real[:, None], n, o) for n, o in zip(stepped, state, strict=True))
        shown = np.where(real[:, None], state[0], shown)
        np.testing.assert_allclose(outputs[:, time], shown, atol=1e-5)
    assert_all_close([np.asarray(each) for each in final], list(state))
    if held is not None:
        assert 0.2 < np.mean([each.mean() for each in held]) < 0.4
