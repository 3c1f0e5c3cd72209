"""Where gates start."""

import keras
import numpy as np
import pytest

import custom_layers
from custom_layers import Chrono
from tests.custom_layers.table import CASES, Case, sigmoid

UNITS = 500
GATED = {name: case for name, case in CASES.items() if case.layer.cell_class.keeping}


@pytest.mark.parametrize("case", GATED.values(), ids=GATED)
def test_chrono_spreads_the_memory_from_2_to_the_longest(case: Case) -> None:
    layer = case.make(UNITS, bias_initializer=Chrono(longest=100, seed=1))
    layer.build((None, None, 3))
    bias = np.asarray(layer.cell.bias).reshape(-1, len(layer.cell.gates), UNITS)[0]
    blocks = dict(zip(layer.cell.gates, bias, strict=True))
    (kept,) = (blocks[gate] for gate in layer.cell.keeping)
    steps = 1 / (1 - sigmoid(kept))
    assert 2 <= steps.min() < 4 and 97 < steps.max() <= 100.001
    assert np.histogram(steps, bins=4)[0].min() > UNITS / 6
    for gate in layer.cell.overwriting:
        np.testing.assert_allclose(blocks[gate], -kept)
    for gate in set(blocks) - {*layer.cell.keeping, *layer.cell.overwriting}:
        assert not blocks[gate].any()


def test_chrono_opens_the_overwriting_gate_rarely() -> None:
    layer = custom_layers.MGU(UNITS, bias_initializer=Chrono(longest=50, seed=1))
    layer.build((None, None, 3))
    overwritten = sigmoid(np.asarray(layer.cell.bias)[:UNITS])
    assert overwritten.min() >= 1 / 50.001 and overwritten.max() <= 1 / 2


def test_chrono_is_for_gated_cells() -> None:
    with pytest.raises(ValueError, match="RNNCell has no gate that decides how long"):
        custom_layers.RNN(4, bias_initializer=Chrono(10)).build((None, None, 3))
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
