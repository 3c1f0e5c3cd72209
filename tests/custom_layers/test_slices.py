"""Loops that write slices of tensors instead of TensorArrays."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_layers import engine
from custom_layers.engine import backend
from tests.custom_layers.gradients import tensorflow_only
from tests.custom_layers.table import CASES, LINEAR
from tests.custom_layers.test_conformance import randomize

pytestmark = tensorflow_only


@settings(max_examples=20)
@given(
    steps=st.integers(1, 40),
    batch=st.integers(1, 3),
    reverse=st.booleans(),
    is_static=st.booleans(),
)
def test_a_scan_is_a_loop_in_python(steps: int, batch: int, reverse: bool, is_static: bool) -> None:
    """Sums of what came so far, beside booleans and tensors of a higher rank."""
    values = np.random.default_rng(steps).normal(size=(steps, batch, 2)).astype("float32")

    def step(carry: list[Any], now: list[Any]) -> tuple[list[Any], list[Any]]:
        total = carry[0] + now[0]
        return [total], [total, total > 0, total[:, None, :, None]]

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec([steps if is_static else None, None, 2])],
    )
    def scan(sequence: Any) -> Any:
        zeros = tf.zeros_like(sequence[0])
        collected = [zeros, zeros > 0, zeros[:, None, :, None]]
        carry, outputs = backend.scan(
            step,
            [zeros],
            [backend.unstack(sequence)],
            collected,
            length=backend.length(sequence),
            reverse=reverse,
        )
        return carry, [backend.stack(each) for each in outputs]

    with engine.portable(tensor_arrays=False):
        (final,), (totals, signs, raised) = scan(tf.constant(values))
    order = slice(None, None, -1 if reverse else 1)
    expected = np.cumsum(values[order], axis=0)[order]
    np.testing.assert_allclose(totals, expected, atol=1e-5)
    np.testing.assert_array_equal(signs, totals.numpy() > 0)
    np.testing.assert_array_equal(raised[:, :, 0, :, 0], totals)
    np.testing.assert_allclose(final, expected[0 if reverse else -1], atol=1e-5)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "LayerNormLSTM", *LINEAR])
def test_a_layer_gives_what_it_gives_with_tensor_arrays(name: str) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(3, 11, 4)).astype("float32")
    mask = generator.random((3, 11)) < 0.6
    layer = CASES[name].make(5, return_sequences=True, return_state=True)
    layer.build(values.shape)
    randomize(layer)
    expected = layer(values, mask=mask)
    traced = tf.function(lambda x, real: layer(x, mask=real), autograph=False)
    with engine.portable(tensor_arrays=False):
        concrete = traced.get_concrete_function(
            tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, None], tf.bool)
        )
    operators = {node.op for node in concrete.graph.as_graph_def().node}
    bodies = concrete.graph.as_graph_def().library.function
    operators |= {node.op for body in bodies for node in body.node_def}
    assert not {each for each in operators if each.startswith("TensorList")}
    for got, should in zip(concrete(values, mask), expected, strict=True):
        np.testing.assert_allclose(got, should, atol=1e-6)
