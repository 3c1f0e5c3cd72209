"""Ways to tell where something will be from where it was, as physics has them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.floating[Any]]
Extrapolation = Callable[[Numbers], Numbers]

_UNKNOWN = 1e9  # the variance of a speed of which nothing is known, over that of a position


def best(ways: Sequence[Extrapolation], past: Numbers, future: Numbers) -> Extrapolation:
    """Return the way whose answers about `past` are nearest to `future`, for each moment its own.

    A way takes positions `[paths, time, axes]` and returns `[paths, moments, axes]`.
    """
    off = [distances(way(past), future).mean(0) for way in ways]
    chosen = [ways[place] for place in np.argmin(off, axis=0)]
    return lambda past: np.stack([way(past)[:, place] for place, way in enumerate(chosen)], axis=1)


def distances(some: Numbers, others: Numbers) -> Numbers:
    """Return how far points `[..., axes]` are from others."""
    return np.linalg.norm(some - others, axis=-1)


def polynomial(degree: int, length: int, moments: Sequence[float], step: float) -> Extrapolation:
    """Fit a polynomial of time to the last `length` positions, by least squares, and go on.

    Args:
        degree: 0 stands still, 1 keeps the velocity, 2 the acceleration.
        length: positions to fit.
        moments: when to say where it is, in seconds from the last position.
        step: seconds from one position to the next.
    """
    times = np.arange(1 - length, 1) * step
    weights = np.vander(moments, degree + 1) @ np.linalg.pinv(np.vander(times, degree + 1))
    return lambda past: np.einsum("mt,ptc->pmc", weights, past[:, -length:])


def kalman_filter(
    noise: float, acceleration: Numbers, moments: Sequence[float], step: float
) -> Extrapolation:
    """Filter each coordinate; its state is position and velocity.

    Args:
        noise: variance of how a step begins to change the velocity, over that of a position.
        acceleration: what is known of it, of each coordinate.
        moments: when to say where it is, in seconds from the last position.
        step: seconds from one position to the next.
    """
    return partial(_filtered, noise, acceleration, np.array(moments)[:, None], step)


def _filtered(
    noise: float, acceleration: Numbers, moments: Numbers, step: float, past: Numbers
) -> Numbers:
    moved = np.array([[1, step], [0, 1]])
    pushed = np.multiply.outer([step**2 / 2, step], acceleration)[:, None]
    spread = noise * np.outer([step, 1], [step, 1])
    state = np.stack([past[:, 0], np.zeros_like(past[:, 0])])
    covariance = np.diag([1.0, _UNKNOWN])
    for measured in np.moveaxis(past[:, 1:], 1, 0):
        state = np.tensordot(moved, state, 1) + pushed
        covariance = moved @ covariance @ moved.T + spread
        gain = covariance[:, 0] / (covariance[0, 0] + 1)
        state = state + np.multiply.outer(gain, measured - state[0])
        covariance = covariance - np.outer(gain, covariance[0])
    position, velocity = state[:, :, None]
    return position + moments * velocity + moments**2 / 2 * acceleration
