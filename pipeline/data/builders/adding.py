"""The TFDS builder `adding`: many numbers, of which the two that are marked are to be added."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from pipeline.data.drawn import DrawnBuilder, Random

_DESCRIPTION = """
The adding problem. A step is a number in [0, 1) and a mark, 0 or 1. One number of each half is
marked; the target is the sum of the two. The config says how many steps there are.
"""
_CITATION = """
@article{le2015simple,
  title = {A simple way to initialize recurrent networks of rectified linear units},
  author = {Le, Quoc V. and Jaitly, Navdeep and Hinton, Geoffrey E.},
  journal = {arXiv:1504.00941},
  year = {2015},
}
"""


class Adding(DrawnBuilder):
    """Sequences of numbers and marks, and the sum of the marked numbers."""

    name = "adding"
    shortest = 2

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "numbers": tfds.features.Tensor(shape=(self.gap, 2), dtype=np.float32),
                    "sum": tfds.features.Scalar(dtype=np.float32),
                }
            ),
            supervised_keys=("numbers", "sum"),
            citation=_CITATION,
        )

    def _draw(self, random: Random) -> tuple[bytes, dict[str, Any]]:
        numbers, total = draw(random, self.gap)
        return numbers.tobytes(), {"numbers": numbers, "sum": total}


def draw(random: Random, steps: int) -> tuple[npt.NDArray[np.float32], np.float32]:
    """Draw numbers and marks, `[steps, 2]`, and the sum of the two marked numbers."""
    numbers, flags = random.random(steps, np.float32), np.zeros(steps, np.float32)
    flagged = [random.integers(0, steps // 2), random.integers(steps // 2, steps)]
    flags[flagged] = 1
    return np.stack([numbers, flags], axis=-1), numbers[flagged].sum()
