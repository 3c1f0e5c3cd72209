"""Where a ball was and where it went, as windows of paths, split."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.data import bouncing_ball, loading
from pipeline.data.loading import Source, Splits
from pipeline.errors import PipelineError

Positions = npt.NDArray[np.float32]

AHEAD = (0.2, 0.5)  # seconds

_STEPS = np.array([round(seconds * bouncing_ball.RATE) for seconds in AHEAD])
_TOUCHES = 1.6  # times a second, in simulated football
_BALLS = (20_000, 2_000, 2_000)  # to learn from, to choose settings by, to test


class Window(NamedTuple):
    """Positions `[time, 3]`, and those `AHEAD` of the last of them `[2, 3]`."""

    past: Positions
    future: Positions


class Stretch(NamedTuple):
    """A path without gaps, and when it begins."""

    minute: int
    second: float
    positions: Positions


SOURCES = {
    "hawkeye": Source(
        read=lambda features: Stretch(
            int(features["minute"]), float(features["second"]), features["positions"]
        ),
        content=lambda stretch: f"{stretch.minute} {stretch.second:.3f}",
    )
}


def cut(path: Positions, length: int) -> list[Window]:
    """Return each window of `length` of the positions of `path`, in the order of time."""
    ends = range(length, len(path) - _STEPS.max() + 1)
    return [Window(path[end - length : end], path[end - 1 + _STEPS]) for end in ends]


def mirrored(window: Window) -> Window:
    """Return how it would have been in a mirror; by physics that is as likely."""
    mirror = np.array([1, -1, 1], np.float32)
    return Window(window.past * mirror, window.future * mirror)


def football(balls: int, length: int) -> list[Window]:
    """Simulate a window of each of so many balls that are played."""
    return _simulated(len(_BALLS), balls, length, _TOUCHES)


def load(name: str, length: int, limit: int | None = None) -> Splits[Window]:
    """The data set `name`, one of `NAMES`, prepared first where needed, in windows of `length`.

    `limit` keeps that many windows of each split, spread over the whole split. No position of the
    test split is in another one.

    Raises:
        PipelineError: the name is unknown, the data cannot be had, or no window is so long.
    """
    if name not in _LOADERS:
        raise PipelineError(f"no data set is called {name!r}. Known are {', '.join(NAMES)}.")
    loaded = _LOADERS[name](length)
    splits = (loaded.train, loaded.validation, loaded.test)
    if not all(splits):
        raise PipelineError(f"{name} has no windows of {length} positions in each split")
    return Splits(name, loaded.version, *(_spread(windows, limit) for windows in splits))


def _hawkeye(length: int) -> Splits[Window]:
    loaded = loading.load("hawkeye", SOURCES)
    splits = (
        [window for stretch in sorted(split) for window in cut(stretch.positions, length)]
        for split in (loaded.train, loaded.validation, loaded.test)
    )
    return Splits(loaded.name, loaded.version, *splits)


def _bouncing_ball(length: int) -> Splits[Window]:
    splits = (_simulated(seed, balls, length, touches=0) for seed, balls in enumerate(_BALLS))
    return Splits("bouncing_ball", bouncing_ball.VERSION, *splits)


_LOADERS = {"hawkeye": _hawkeye, "bouncing_ball": _bouncing_ball}
NAMES = tuple(_LOADERS)


def _simulated(seed: int, balls: int, length: int, touches: float) -> list[Window]:
    """Simulate a window of each of so many balls."""
    paths = bouncing_ball.paths(seed, balls, length + _STEPS.max(), touches)
    return [window for path in paths for window in cut(path, length)]


def _spread(windows: list[Window], limit: int | None) -> list[Window]:
    kept = min(limit or len(windows), len(windows))
    return [windows[place] for place in np.linspace(0, len(windows) - 1, kept).astype(int)]
