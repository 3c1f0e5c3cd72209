"""Paths of a ball as rows of a data set of TFDS, one for each position."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from pipeline.data.bouncing_ball import RATE

Path = npt.NDArray[np.float32]  # x, y and the height z in metres, `[steps, 3]`

FEATURES = tfds.features.FeaturesDict(
    {
        "series": tfds.features.Text(),
        "time": tfds.features.Text(),  # of seconds, as TFDS keeps numbers in 32 bits
        **dict.fromkeys("xyz", np.float32),
    }
)


def rows(
    split: str, series: str, path: Path, start: float = 0.0
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a row for each position of a path that begins at `start` seconds, each with a name.

    The name begins with the split.
    """
    for step, (x, y, z) in enumerate(path):
        time = f"{start + step / RATE:.2f}"
        yield f"{split} {series} {step}", {"series": series, "time": time, "x": x, "y": y, "z": z}
