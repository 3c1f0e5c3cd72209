"""Where gates start."""

import keras
import numpy as np
import pytest

import custom_layers
from custom_layers import Chrono
from tests.custom_layers.table import CASES, sigmoid

UNITS = 500

# By block of the bias: 1 where an open gate keeps the state, -1 where it overwrites the state.
SIGNS = {
    "LSTM": [-1, 1, 0, 0],
    "GRU": [1, 0, 0],
    "GRU, reset before": [1, 0, 0],
    "PeepholeLSTM": [-1, 1, 0, 0],
    "CoupledLSTM": [1, 0, 0],
    "LayerNormLSTM": [-1, 1, 0, 0],
    "ProjectionLSTM": [-1, 1, 0, 0],
    "MultiplicativeLSTM": [0, -1, 1, 0, 0],
    "JANET": [1, 0],
    "LayerNormGRU": [1, 0, 0],
    "LiGRU": [1, 0],
    "MGU": [-1, 0],
    "UGRNN": [1, 0],
    "MinimalRNN": [0, 1],
    "STAR": [0, -1],
    "FastGRNN": [1, 0],
    "LEM": [-1, -1, 0, 0],
    "MinGRU": [-1, 0],
    "MinLSTM": [0, 1, 0],
    "QRNN": [0, 1, 0, 0, 0, 0],
    "SRU": [1, 0, 0, 0],
}
OTHERS = sorted(set(CASES) - set(SIGNS))


@pytest.mark.parametrize("name", SIGNS)
def test_chrono_spreads_the_memory_from_2_to_the_longest(name: str) -> None:
    layer = CASES[name].make(UNITS, bias_initializer=Chrono(longest=100, seed=1))
    layer.build((None, None, 3))
    bias = np.asarray(layer.cell.bias)
    first, *others = bias.reshape(-1, len(SIGNS[name]), UNITS)
    kept = np.abs(first).max(axis=0)
    steps = 1 / (1 - sigmoid(kept))
    assert 2 <= steps.min() < 4 and 97 < steps.max() <= 100.001
    assert np.histogram(steps, bins=4)[0].min() > UNITS / 6
    np.testing.assert_allclose(first, np.outer(SIGNS[name], kept))
    assert not np.any(others)  # the bias of GRU's recurrent product


@pytest.mark.parametrize("name", OTHERS)
def test_chrono_is_refused_where_no_gate_decides_about_the_state(name: str) -> None:
    layer = CASES[name].make(bias_initializer=Chrono(10))
    with pytest.raises(ValueError, match="has no gate that decides how long"):
        layer.build((None, None, 3))


def test_chrono_wants_more_than_two_steps() -> None:
    with pytest.raises(ValueError, match=r"`longest` must be above 2, not 2"):
        Chrono(2)


def test_chrono_is_saved_with_its_layer() -> None:
    layer = custom_layers.LSTM(4, bias_initializer=Chrono(30, seed=3))
    again = custom_layers.LSTM.from_config(layer.get_config())
    assert isinstance(again.cell.bias_initializer, Chrono)
    for each in (layer, again):
        each.build((None, None, 3))
    np.testing.assert_array_equal(again.get_weights()[2], layer.get_weights()[2])
    assert keras.saving.serialize_keras_object(Chrono(30))["config"]["longest"] == 30
