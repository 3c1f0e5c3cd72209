"""Recurrences that need no loop: exact at any length, against a plain loop in float64."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import custom_layers
from custom_layers.engine import linear
from tests.custom_layers.gradients import arrays, values_and_gradients
from tests.custom_layers.table import CASES, LINEAR
from tests.custom_layers.test_conformance import built, randomize


def looped(decay: np.ndarray, drive: np.ndarray, initial: np.ndarray) -> np.ndarray:
    value, values = initial, []
    for a, b in zip(decay, drive, strict=True):
        value = a * value + b
        values.append(value)
    return np.stack(values)


def solved(*parts: list[np.ndarray]) -> list[np.ndarray]:
    return arrays(linear.solve(*keras.tree.map_structure(keras.ops.convert_to_tensor, parts)))


@settings(max_examples=20)
@given(
    steps=st.integers(1, 40) | st.sampled_from([99, 100, 101]),
    batch=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_solve_equals_the_loop_for_real_and_complex_memories(
    steps: int, batch: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    decay, drive = generator.normal(size=(2, 2, steps, batch, 4)).astype("float32")
    initial = generator.normal(size=(2, batch, 4)).astype("float32")
    decay /= np.abs(decay).max(initial=1.0)

    (real,) = solved([decay[0]], [drive[0]], [initial[0]])
    np.testing.assert_allclose(real, looped(decay[0], drive[0], initial[0]), atol=1e-4)

    parts = solved(list(decay), list(drive), list(initial))
    expected = looped(
        decay[0] + 1j * decay[1], drive[0] + 1j * drive[1], initial[0] + 1j * initial[1]
    )
    np.testing.assert_allclose(parts[0] + 1j * parts[1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_100_000_steps_are_exact_in_float32() -> None:
    generator = np.random.default_rng(0)
    decay = generator.uniform(size=(100_000, 1, 6)) ** [[0.0, 1e-5, 1e-3, 0.1, 1.0, 100.0]]
    drive = (1 - decay) * generator.normal(size=decay.shape) + (decay == 1) * 1e-3
    (values,) = solved(
        [decay.astype("float32")], [drive.astype("float32")], [np.ones((1, 6), "float32")]
    )
    expected = looped(decay, drive, np.ones((1, 6)))
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[..., 1:], expected[..., 1:], rtol=2e-3, atol=2e-3)
    # A sum of 100,000 numbers that never forgets: rounding adds up as in any sum in float32.
    np.testing.assert_allclose(values[..., 0], expected[..., 0], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["QRNN", "RGLRU", "LRU"])
def test_gradients_are_finite_over_100_000_steps(name: str) -> None:
    layer = built(CASES[name].make(return_sequences=True))
    randomize(layer)
    x = np.random.default_rng(1).normal(size=(1, 100_000, 3)).astype("float32")
    for each in values_and_gradients(layer, lambda x: layer(x, training=True), x):
        assert np.isfinite(each).all()


@pytest.mark.parametrize("name", LINEAR)
def test_at_once_equals_step_by_step(name: str) -> None:
    at_once = built(CASES[name].make(return_sequences=True, return_state=True))
    randomize(at_once)
    # Clipping by a limit that is never met asks for the loop.
    stepwise = built(
        CASES[name].make(return_sequences=True, return_state=True, clip_state_gradient=1e9)
    )
    stepwise.set_weights(at_once.get_weights())
    x = np.random.default_rng(1).normal(size=(2, 150, 3)).astype("float32")
    mask = np.random.default_rng(2).random((2, 150)) < 0.7
    one, other = (
        values_and_gradients(layer, lambda x, layer=layer: layer(x, mask=mask, training=True), x)
        for layer in (at_once, stepwise)
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def test_a_radius_that_grows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`radius` must be two increasing numbers in \[0, 1\)"):
        custom_layers.LRU(4, radius=(0.9, 1.0))


def test_units_of_a_real_gated_unit_start_by_keeping_nine_tenths() -> None:
    layer = built(custom_layers.RGLRU(300))
    decay = keras.ops.convert_to_numpy(layer.cell.decay)
    kept = np.exp(-8 * np.log1p(np.exp(decay)))
    assert 0.9 <= kept.min() < 0.91 and 0.99 < kept.max() <= 0.999
