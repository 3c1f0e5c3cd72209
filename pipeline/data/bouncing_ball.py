"""A simulator of balls that fly, bounce and roll, and of players who kick them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

RATE = 50  # positions a second
GRAVITY = 9.81

_PARTS = 4  # of the time between two positions, in each of which the forces are constant
_BEFORE = 100  # positions at most that a ball has behind it when its path begins
_HIGH = 0.5  # metres above the ground, from where on a ball is seldom touched
_SLOW = 0.4  # metres a second; a ball that falls no faster stays on the ground


class _Balls(NamedTuple):
    """What differs from ball to ball, and from ground to ground; an array each."""

    drag: Numbers  # deceleration over the square of the speed, 1/m
    curve: Numbers  # acceleration to the left over the speed, as of a ball that spins, 1/s
    bounce: Numbers  # part of the vertical speed that a bounce leaves
    grip: Numbers  # part of the horizontal speed that a bounce leaves
    friction: Numbers  # deceleration of a ball that rolls, m/s²
    ground: Numbers  # height of the ball's centre when it rolls, m
    noise: Numbers  # standard deviation of a measured coordinate, m


def paths(seed: int, balls: int, length: int, touches: float = 0.0) -> npt.NDArray[np.float32]:
    """Simulate measured paths `[balls, length, 3]`: x, y and the height z in metres, 50 a second.

    Args:
        seed: of everything random; the same one gives the same paths.
        balls: how many.
        length: positions of each path.
        touches: how often somebody changes the course of a ball, times a second.
    """
    random = np.random.default_rng(seed)
    kind = _drawn(random, balls)
    position = np.column_stack([random.uniform(-30, 30, (balls, 2)), kind.ground])
    velocity = _throws(random, balls)
    seen = np.empty((balls, _BEFORE + length, 3))
    for step in range(_BEFORE + length):
        seen[:, step] = position
        low = position[:, 2] < kind.ground + _HIGH
        touched = random.random(balls) < touches / RATE * np.where(low, 1.5, 0.3)
        velocity = np.where(touched[:, None], _touched(random, velocity), velocity)
        for _ in range(_PARTS):
            position, velocity = _moved(kind, position, velocity, 1 / RATE / _PARTS)
    starts = random.integers(0, _BEFORE, (balls, 1))
    true = np.take_along_axis(seen, (starts + np.arange(length))[..., None], axis=1)
    return (true + kind.noise[:, None, None] * random.normal(size=true.shape)).astype(np.float32)


def _drawn(random: np.random.Generator, balls: int) -> _Balls:
    return _Balls(
        drag=random.uniform(0.004, 0.016, balls),
        curve=random.normal(0, 0.1, balls),
        bounce=random.uniform(0.5, 0.8, balls),
        grip=random.uniform(0.6, 0.95, balls),
        friction=random.uniform(0.5, 3.0, balls),
        ground=random.uniform(-0.02, 0.22, balls),
        noise=random.uniform(0.0, 0.01, balls),
    )


def _throws(random: np.random.Generator, balls: int) -> Numbers:
    """Draw velocities `[balls, 3]` of balls that will fly, to all sides."""
    speed, rise = random.uniform(4, 26, balls), random.uniform(0.2, 1.1, balls)
    return _velocity(speed * np.cos(rise), _directions(random, balls), speed * np.sin(rise))


def _passes(random: np.random.Generator, balls: int) -> Numbers:
    """Draw velocities `[balls, 3]` of balls that will roll, or hop, to all sides."""
    speed, upward = random.gamma(4, 2.2, balls), random.exponential(0.6, balls)
    return _velocity(speed, _directions(random, balls), upward)


def _dribbles(random: np.random.Generator, velocity: Numbers) -> Numbers:
    """Draw the velocities of balls that are kept going, about where they went."""
    balls = len(velocity)
    direction = np.arctan2(velocity[:, 1], velocity[:, 0]) + random.normal(0, 0.6, balls)
    return _velocity(random.gamma(5, 1.4, balls), direction, random.uniform(0, 1, balls))


def _touched(random: np.random.Generator, velocity: Numbers) -> Numbers:
    """Let each ball be dribbled, passed, or sent high."""
    ways = [
        _dribbles(random, velocity),
        _passes(random, len(velocity)),
        _throws(random, len(velocity)),
    ]
    way = random.choice(len(ways), len(velocity), p=[0.4, 0.35, 0.25])
    return np.choose(way[:, None], ways)


def _directions(random: np.random.Generator, balls: int) -> Numbers:
    return random.uniform(0, 2 * np.pi, balls)


def _velocity(along: Numbers, direction: Numbers, upward: Numbers) -> Numbers:
    return np.column_stack([along * np.cos(direction), along * np.sin(direction), upward])


def _moved(
    kind: _Balls, position: Numbers, velocity: Numbers, seconds: float
) -> tuple[Numbers, Numbers]:
    """Return positions and velocities after some `seconds`, few enough for constant forces."""
    x, y, z = velocity.T
    speed = np.linalg.norm(velocity, axis=1)
    force = np.column_stack([-kind.curve * y, kind.curve * x, np.full_like(z, -GRAVITY)])
    velocity = velocity + seconds * (force - (kind.drag * speed)[:, None] * velocity)
    position = position + seconds * velocity
    x, y, z = velocity.T
    landed = (position[:, 2] < kind.ground) & (z < 0)
    rolls = landed & (z > -_SLOW)
    bounces = landed & ~rolls
    slowed = 1 - seconds * kind.friction / np.maximum(np.hypot(x, y), 1e-6)
    kept = np.where(rolls, np.maximum(slowed, 0), np.where(bounces, kind.grip, 1))
    upward = np.where(rolls, 0, np.where(bounces, -kind.bounce * z, z))
    height = np.where(landed, kind.ground, position[:, 2])
    return np.column_stack([position[:, :2], height]), np.column_stack([kept * x, kept * y, upward])
