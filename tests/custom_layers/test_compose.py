"""Both directions, and one layer upon the other, against Keras's own."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import custom_layers
from custom_layers import Bidirectional, Stack
from tests.custom_layers.gradients import arrays, tensorflow_only, values_and_gradients
from tests.custom_layers.table import CASES
from tests.custom_layers.test_conformance import (
    MASKS,
    TIME,
    assert_all_close,
    built,
    inputs,
    masks,
    outputs_and_gradients,
    randomize,
)

KINDS = ["LSTM", "GRU, reset before", "LayerNormGRU", "MinimalRNN", "QRNN"]
kinds = pytest.mark.parametrize("name", KINDS)


@kinds
@pytest.mark.parametrize(("mask", "return_sequences"), [("none", False), ("holes", True)])
def test_bidirectional_equals_keras(name: str, mask: str, return_sequences: bool) -> None:
    options = {"return_sequences": return_sequences, "return_state": True}
    ours = built(Bidirectional(CASES[name].make(**options)))
    reference = built(keras.layers.Bidirectional(CASES[name].make_keras(**options)))
    randomize(ours)
    reference.set_weights(ours.get_weights())
    assert_all_close(
        outputs_and_gradients(ours, inputs(), mask=MASKS[mask]),
        outputs_and_gradients(reference, inputs(), mask=MASKS[mask]),
    )


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
def test_every_merge_mode_equals_keras(merge_mode: str | None) -> None:
    ours = Bidirectional(custom_layers.GRU(4, return_sequences=True), merge_mode)
    reference = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True), merge_mode)
    built(ours)
    built(reference)
    randomize(ours)
    reference.set_weights(ours.get_weights())
    assert_all_close(
        outputs_and_gradients(ours, inputs()), outputs_and_gradients(reference, inputs())
    )
    symbolic = ours(keras.Input((TIME, 3)))
    shapes = [tuple(each.shape) for each in keras.tree.flatten(symbolic)]
    assert shapes == [(None, *np.shape(each)[1:]) for each in keras.tree.flatten(ours(inputs()))]


def test_initial_states_go_to_their_direction() -> None:
    ours = built(Bidirectional(custom_layers.LSTM(4)))
    reference = built(keras.layers.Bidirectional(keras.layers.LSTM(4)))
    reference.set_weights(ours.get_weights())
    generator = np.random.default_rng(0)
    states = [generator.normal(size=(5, 4)).astype("float32") for _ in range(4)]
    found, expected = (arrays(each(inputs(), initial_state=states)) for each in (ours, reference))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(ValueError, match="`initial_state` holds 3 tensors instead of 4"):
        ours(inputs(), initial_state=states[:3])


@tensorflow_only
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_both_directions_share_one_projection(dropout: float) -> None:
    import tensorflow as tf

    layer = built(Bidirectional(custom_layers.LSTM(4, dropout=dropout)))
    function = tf.function(lambda x: layer(x, training=True), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec([None, None, 3])).graph
    products = [op for op in graph.get_operations() if op.type == "MatMul"]
    assert len(products) == (2 if dropout else 1)


def test_bidirectional_trains_saves_and_loads(tmp_path: Any) -> None:
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            keras.layers.Masking(),
            Bidirectional(custom_layers.LayerNormLSTM(4, return_sequences=True, dropout=0.1)),
            Stack([custom_layers.cells.GRUCell(8), custom_layers.LSTM(8)], True, True),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.03), "mse")
    x, y = inputs(batch=32), inputs(batch=32)[:, :, :1].sum(axis=1)
    losses = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@masks
@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_stack_is_one_layer_after_the_other(
    mask: np.ndarray | None, return_sequences: bool
) -> None:
    stack = built(
        Stack(
            [custom_layers.GRU(4), custom_layers.cells.LSTMCell(4)],
            return_sequences=return_sequences,
            return_state=True,
        )
    )
    randomize(stack)
    lower = keras.layers.GRU(4, return_sequences=True, return_state=True)
    upper = keras.layers.LSTM(
        4, return_sequences=return_sequences, return_state=True, zero_output_for_mask=True
    )
    built(lower)
    upper.build((None, None, 4))
    weights = stack.get_weights()
    lower.set_weights(weights[:3])
    upper.set_weights(weights[3:])
    between, h = lower(inputs(), mask=mask)
    if not return_sequences:
        upper.zero_output_for_mask = False
    output, *state = upper(between, mask=mask)
    assert_all_close(arrays(list(stack(inputs(), mask=mask))), arrays([output, h, *state]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stack([custom_layers.GRU(3), custom_layers.LSTM(3)], True, True, True),
        lambda: Bidirectional(custom_layers.GRU(3, return_sequences=True)),
    ],
)
def test_nan_in_padding_never_leaks(make: Callable[[], keras.layers.Layer]) -> None:
    layer = built(make())
    randomize(layer)
    mask = MASKS["holes"]
    clean, dirty = (np.where(mask[..., None], inputs(), each) for each in (0, np.nan))
    for a, b in zip(
        *(
            values_and_gradients(layer, lambda x: layer(x, mask=mask, training=True), x)
            for x in (dirty.astype("float32"), clean.astype("float32"))
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_states_of_a_stack_go_in_and_out() -> None:
    stack = built(Stack([custom_layers.GRU(3), custom_layers.LSTM(3)], return_state=True))
    whole = stack(inputs())
    _, *state = stack(inputs()[:, :4])
    assert_all_close(arrays(list(stack(inputs()[:, 4:], initial_state=state))), arrays(list(whole)))
    with pytest.raises(ValueError, match="has 3 states, but `initial_state` holds 1"):
        stack(inputs(), initial_state=state[:1])


def test_every_argument_is_in_the_config() -> None:
    stack = Stack([custom_layers.GRU(3)], True, True, True, True)
    again = Stack.from_config(stack.get_config())
    assert again.get_config() == stack.get_config()
    assert (again.residual, again.layer_norm, again.return_state) == (True, True, True)
    both = Bidirectional(custom_layers.GRU(3), merge_mode="sum")
    assert Bidirectional.from_config(both.get_config()).get_config() == both.get_config()


def test_wrong_layers_are_named() -> None:
    with pytest.raises(TypeError, match=r"`layer` must be a custom_layers\.Recurrent"):
        Bidirectional(keras.layers.LSTM(3))
    with pytest.raises(ValueError, match="must go forwards"):
        Bidirectional(custom_layers.LSTM(3, go_backwards=True))
    with pytest.raises(ValueError, match="`merge_mode` must be one of"):
        Bidirectional(custom_layers.LSTM(3), merge_mode="max")
    with pytest.raises(ValueError, match="at least one cell or layer"):
        Stack([])
    with pytest.raises(TypeError, match=r"must be of custom_layers\.Cell or Recurrent"):
        Stack([keras.layers.LSTM(3)])
    with pytest.raises(ValueError, match="goes backwards"):
        Stack([custom_layers.GRU(3, go_backwards=True)])
