"""Extrapolations: against polynomials fitted one by one, and a thrown stone."""

import numpy as np
import pytest

from pipeline.baselines import extrapolation

AHEAD = (0.2, 0.5)
STEP = 0.02


@pytest.fixture
def past() -> np.ndarray:
    """Five paths of 25 positions."""
    return np.random.default_rng(0).normal(size=(5, 25, 3))


def fitted(past: np.ndarray, degree: int, length: int) -> np.ndarray:
    times = STEP * np.arange(1 - length, 1)
    return np.array(
        [
            [np.polyval(each, AHEAD) for each in np.polyfit(times, path[-length:], degree).T]
            for path in past
        ]
    ).swapaxes(1, 2)


@pytest.mark.parametrize(("degree", "length"), [(0, 1), (1, 2), (1, 7), (2, 9)])
def test_a_polynomial_is_that_of_least_squares(past: np.ndarray, degree: int, length: int) -> None:
    found = extrapolation.polynomial(degree, length, AHEAD, STEP)(past)
    np.testing.assert_allclose(found, fitted(past, degree, length), atol=1e-6)


def test_a_kalman_filter_is_least_squares_with_a_price_on_each_change(past: np.ndarray) -> None:
    """Unknown are the first position, the first velocity, and its change in each step."""
    noise, steps = 50.0, np.arange(24)
    seconds = STEP * np.arange(25)
    since = np.maximum(seconds[:, None] - STEP * steps, 0)
    measured = np.column_stack([np.ones(25), seconds, since])
    priced = np.column_stack([np.zeros((24, 2)), np.eye(24) / np.sqrt(noise)])
    numbers = np.concatenate([np.moveaxis(past, 1, 0).reshape(25, -1), np.zeros((24, 15))])
    unknown, *_ = np.linalg.lstsq(np.concatenate([measured, priced]), numbers)
    later = np.array([[1, 0.48 + each, *(since[-1] + each)] for each in AHEAD])
    expected = np.moveaxis((later @ unknown).reshape(2, 5, 3), 1, 0)
    found = extrapolation.kalman_filter(noise, np.zeros(3), AHEAD, STEP)(past)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_kalman_filter_that_knows_gravity_is_right_about_a_thrown_stone() -> None:
    times = np.concatenate([STEP * np.arange(-24, 1), AHEAD])
    path = np.stack([3 * times, 1 - times, 2 + 4 * times - 9.81 / 2 * times**2], axis=-1)
    falls = extrapolation.kalman_filter(1e3, np.array([0, 0, -9.81]), AHEAD, STEP)
    np.testing.assert_allclose(falls(path[None, :25])[0], path[25:], atol=1e-5)


def test_the_best_way_is_chosen_for_each_moment(past: np.ndarray) -> None:
    stands, goes = (extrapolation.polynomial(*way, AHEAD, STEP) for way in ((0, 1), (1, 2)))
    future = np.stack([stands(past)[:, 0], goes(past)[:, 1]], axis=1)
    found = extrapolation.best([stands, goes], past, future)
    np.testing.assert_array_equal(found(past), future)
