"""What a trace says, against the equations in NumPy and finite differences."""

import re
from collections.abc import Callable

import keras
import numpy as np
import pytest

import custom_layers
from custom_layers import trace
from tests.custom_layers.gradients import arrays, tensorflow_only
from tests.custom_layers.table import CASES, Case, State, lstm, sigmoid, weights_of
from tests.custom_layers.test_conformance import (
    BATCH,
    FEATURES,
    MASKS,
    TIME,
    UNITS,
    assert_all_close,
    built,
    inputs,
    randomize,
)


def traced(layer: custom_layers.Recurrent, x: np.ndarray) -> custom_layers.Trace:
    (found,) = trace(layer, x).values()
    return custom_layers.Trace(*arrays(tuple(found)))


def test_states_are_those_of_the_layer_at_every_step(representative: Case) -> None:
    layer = built(representative.make(return_sequences=True, return_state=True))
    randomize(layer)
    outputs, *final = arrays(layer(inputs()))
    seen = traced(layer, inputs())
    first = layer.cell.state[0]
    np.testing.assert_allclose(seen.states[first], outputs, atol=1e-5)
    assert_all_close([seen.states[name][:, -1] for name in layer.cell.state], final)
    again, *_ = arrays(layer(inputs()))
    np.testing.assert_array_equal(again, outputs)


def test_gates_are_those_of_the_equations() -> None:
    layer = built(custom_layers.LSTM(UNITS, name="memory"))
    randomize(layer)
    seen = traced(layer, inputs())
    kernel, recurrent_kernel, bias = layer.get_weights()
    state: State = (np.zeros((BATCH, UNITS)), np.zeros((BATCH, UNITS)))
    for time in range(TIME):
        x = inputs()[:, time]
        i, f, g, o = np.split(x @ kernel + state[0] @ recurrent_kernel + bias, 4, axis=-1)
        expected = {"i": sigmoid(i), "f": sigmoid(f), "c": np.tanh(g), "o": sigmoid(o)}
        for name, values in expected.items():
            np.testing.assert_allclose(seen.gates[name][:, time], values, atol=1e-5)
        state = lstm(x, state, weights_of(layer))
    assert list(seen.gates) == ["i", "f", "o", "c"]


@pytest.mark.parametrize(
    ("name", "gates"),
    {
        "GRU": "zrh",
        "GRU, reset before": "zrh",
        "PeepholeLSTM": "ifco",
        "CoupledLSTM": "foc",
        "LayerNormLSTM": "ifoc",
        "JANET": "fc",
        "MGU": "fh",
        "STAR": "kg",
        "FastGRNN": "zh",
        "LEM": "aczy",
        "MultiplicativeLSTM": "ifoc",
        "SRU": "frc",
        "RNN": "h",
    }.items(),
)
def test_gates_are_found_in_every_cell(name: str, gates: str) -> None:
    layer = built(CASES[name].make())
    randomize(layer)
    assert set(traced(layer, inputs()).gates) == set(gates)


@tensorflow_only  # elsewhere Keras computes in float32
def test_gradients_are_finite_differences_of_the_loss() -> None:
    layer = built(custom_layers.GRU(UNITS, dtype="float64"))
    randomize(layer)
    x = inputs().astype("float64")
    seen = traced(layer, x)

    def rest(state: np.ndarray, start: int) -> float:
        later = layer(x[:, start:], initial_state=[state]) if start < TIME else state
        return float(np.sum(arrays(later)))

    for time in (TIME - 1, 2, 0):
        state = seen.states["h"][:, time]
        slopes = np.zeros_like(state)
        for place in np.ndindex(*state.shape):
            nudge = np.zeros_like(state)
            nudge[place] = 1e-6
            up, down = rest(state + nudge, time + 1), rest(state - nudge, time + 1)
            slopes[place] = (up - down) / 2e-6
        norms = np.linalg.norm(slopes, axis=-1)
        np.testing.assert_allclose(seen.gradients["h"][:, time], norms, rtol=1e-5, atol=1e-7)


def test_masked_steps_hold_the_state_and_hand_on_the_gradient() -> None:
    steps = keras.Input((TIME, FEATURES))
    x = keras.layers.Masking()(steps)
    x = custom_layers.GRU(UNITS, return_sequences=True, name="lower")(x)
    x = custom_layers.LSTM(UNITS, name="upper")(x)
    model = keras.Model(steps, keras.layers.Dense(1)(x))
    values = np.where(MASKS["right"][..., None], inputs(), 0)
    seen = trace(model, values, loss=lambda outputs: keras.ops.sum(outputs**2))
    assert list(seen) == ["lower", "upper"]
    upper = arrays(seen["upper"].states["c"]), arrays(seen["upper"].gradients["c"])
    for layer in seen.values():
        np.testing.assert_array_equal(arrays(layer.real), MASKS["right"])
    for row, length in enumerate([7, 4, 1, 0, 6]):
        for found in upper:
            held = found[row, max(length - 1, 0) :]
            np.testing.assert_array_equal(held, np.broadcast_to(held[:1], held.shape))


def both_directions() -> keras.layers.Layer:
    return custom_layers.Bidirectional(custom_layers.GRU(UNITS, name="ways"))


def two_layers() -> keras.layers.Layer:
    return custom_layers.Stack([custom_layers.GRU(UNITS, name="low"), custom_layers.LSTM(UNITS)])


def keras_directions() -> keras.layers.Layer:
    return keras.layers.Bidirectional(custom_layers.GRU(UNITS, name="ways"))


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (both_directions, {"ways", "ways_backward"}),
        (keras_directions, {"forward_ways", "backward_ways"}),
        (two_layers, {"low", "lstm"}),
    ],
)
def test_layers_within_a_layer_are_traced_each_in_the_order_of_its_walk(
    make: Callable[[], keras.layers.Layer], names: set[str]
) -> None:
    layer = built(make())
    randomize(layer)
    seen = trace(layer, inputs())
    assert {re.sub(r"_\d+$", "", name) for name in seen} == names
    ends = [arrays(each.states["h"])[:, -1] for each in seen.values()]
    expected = arrays(layer(inputs()))
    if len(ends) == 2 and expected.shape[-1] == 2 * UNITS:
        backwards = [name.find("backward") >= 0 for name in seen]
        first, second = (ends[place] for place in np.argsort(backwards))
        np.testing.assert_allclose(np.concatenate([first, second], -1), expected, atol=1e-5)
    else:
        np.testing.assert_allclose(ends[-1], expected, atol=1e-5)


def test_there_must_be_something_to_trace() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="flat")
    with pytest.raises(ValueError, match="'flat' has no recurrent layer of custom_layers"):
        trace(model, np.zeros((1, 3)))


def test_a_tracer_follows_other_inputs_and_other_weights() -> None:
    layer = built(custom_layers.GRU(UNITS, name="memory"))
    randomize(layer)
    tracer = custom_layers.Tracer(layer)
    tracer(inputs())
    layer.set_weights([weights / 2 for weights in layer.get_weights()])
    longer = np.concatenate([inputs(), inputs()], axis=1)
    (seen,), (expected,) = tracer(longer).values(), trace(layer, longer).values()
    for part, values in zip(seen[:3], expected[:3], strict=True):
        assert set(part) == set(values)
        for name in values:
            np.testing.assert_allclose(arrays(part[name]), arrays(values[name]), atol=1e-6)
    assert "run_loop" not in vars(layer)
