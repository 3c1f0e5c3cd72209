"""The simulator against what is known of thrown balls."""

import numpy as np
import pytest

from pipeline.data import bouncing_ball

LENGTH = 75
NOISE = 0.01  # metres; the largest standard deviation


@pytest.fixture(scope="module")
def free() -> np.ndarray:
    """Balls that nobody touches."""
    return bouncing_ball.paths(0, 400, LENGTH).astype(float)


def test_a_seed_decides_everything(free: np.ndarray) -> None:
    np.testing.assert_array_equal(bouncing_ball.paths(0, 400, LENGTH), free.astype(np.float32))
    assert (bouncing_ball.paths(1, 400, LENGTH) != free).any(axis=(1, 2)).all()
    assert free.shape == (400, LENGTH, 3)


def test_in_the_air_a_ball_falls_as_everything_does(free: np.ndarray) -> None:
    """Drag pulls a ball down as it rises and holds it as it falls, so slow ones are looked at."""
    seconds = 10 / 50
    before, middle, after = free[:, :-20], free[:, 10:-10], free[:, 20:]
    acceleration = (before - 2 * middle + after) / seconds**2
    flying = np.min([before, middle, after], axis=0)[..., 2] > 2
    slow = np.abs(after - before)[..., 2] < 0.2
    falls = acceleration[flying & slow]
    assert len(falls) > 100
    assert falls[:, 2].mean() == pytest.approx(-9.81, abs=0.1)
    assert np.abs(falls[:, :2].mean(axis=0)).max() < 1


def test_a_ball_stays_on_the_ground_and_loses_speed(free: np.ndarray) -> None:
    assert free[..., 2].min() > -0.02 - 5 * NOISE
    ways = np.linalg.norm(free[:, 10:, :2] - free[:, :-10, :2], axis=-1)
    assert (np.diff(ways, axis=1) < 10 * NOISE).all()
    assert (ways[:, -1] < ways[:, 0]).mean() > 0.99


def test_a_bounce_is_lower_than_the_one_before(free: np.ndarray) -> None:
    around = np.lib.stride_tricks.sliding_window_view(free[..., 2], 17, axis=1)
    middle = around[..., 8]
    tops = (middle == around.max(-1)) & (middle - around[..., [0, -1]].max(-1) > 5 * NOISE)
    heights = [row[top] for row, top in zip(middle, tops, strict=True)]
    lost = np.concatenate([each[:-1] - each[1:] for each in heights])
    assert len(lost) > 50
    assert (lost > 0).all()


def test_a_touch_sends_a_ball_elsewhere() -> None:
    """Without touches no ball gains speed along the ground; with them about as many as said do."""
    paths = bouncing_ball.paths(0, 1000, LENGTH, touches=1.0).astype(float)
    velocity = 50 * np.diff(paths[..., :2], axis=1)
    jumps = np.linalg.norm(np.diff(velocity, axis=1), axis=-1) > 4
    rate = jumps.sum() / (1000 * LENGTH / 50)
    assert 0.4 < rate < 2
