"""TFDS builders of data that are drawn at random, the same ones every time."""

import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from pipeline.data.packaged import Example, PackagedBuilder
from pipeline.data.splits import Content
from pipeline.errors import PipelineError

Random = np.random.Generator

_DRAWN = 28_000  # examples of all splits


class DrawnBuilder(PackagedBuilder):
    """Draws sequences whose end depends on something that is `gap` steps before it.

    The gap is part of the name: `tfds:country/gap_500`.

    Attributes:
        shortest: the smallest gap that there is.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "Drawn by NumPy's default generator with the seed 0."}
    shortest: ClassVar[int]

    def __init__(self, *, config: Any = "gap_100", **options: Any) -> None:
        """Take a gap by the name of its config.

        Raises:
            PipelineError: it is no gap, or too short.
        """
        name = config if isinstance(config, str) else config.name
        found = re.fullmatch(r"gap_(\d{1,6})", name)
        if not found or int(found[1]) < self.shortest:
            raise PipelineError(
                f"tfds:{self.name}/{name} is not a data set. Name a gap of {self.shortest} steps "
                f"or more: tfds:{self.name}/gap_{max(100, self.shortest)}."
            )
        self.gap = int(found[1])
        super().__init__(config=tfds.core.BuilderConfig(name=name), **options)

    @abstractmethod
    def _draw(self, random: Random) -> tuple[Content, Example]:
        """Draw an example, and give its content."""

    def _contents(self) -> Iterator[tuple[Content, Example]]:
        random = np.random.default_rng(0)
        for _ in range(_DRAWN):
            yield self._draw(random)
