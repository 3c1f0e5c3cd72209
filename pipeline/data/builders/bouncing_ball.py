"""The TFDS builder `bouncing_ball`: simulated balls that fly, bounce and roll."""

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from pipeline.data import bouncing_ball, positions
from pipeline.data.packaged import PackagedBuilder
from pipeline.data.splits import Content

BALLS = {"train": 4000, "validation": 400, "test": 400}
STEPS = 50

_DESCRIPTION = """
Positions of simulated balls, 50 a second, in metres: x, y and the height z. Each ball is thrown
once, and nobody touches it later. Drag, spin, bounce and the noise of the measurement differ from
ball to ball. A series is a second of one ball.
"""


class BouncingBall(PackagedBuilder):
    """Paths out of the simulator `pipeline.data.bouncing_ball`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The first one."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=positions.FEATURES,
            license="MIT",
        )

    def _contents(self) -> Iterator[tuple[Content, dict[str, Any]]]:
        for seed, (split, balls) in enumerate(BALLS.items()):
            for ball, path in enumerate(bouncing_ball.paths(seed, balls, STEPS), start=1):
                yield from positions.rows(split, f"{split} ball {ball}", path)

    def _split_of(self, content: Content) -> str:
        return str(content).partition(" ")[0]
