"""Handwritten digits as pictures, from any of the known data sets."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.data.loading import Source

LABELS = tuple("0123456789")
SIZE = 28  # rows of a picture, and pixels of a row


class Handwritten(NamedTuple):
    """A picture, `[28, 28]`, and the place of its label in `LABELS`."""

    pixels: npt.NDArray[np.uint8]
    label: int


def _read(features: Mapping[str, Any]) -> Handwritten:
    return Handwritten(features["image"][..., 0], int(features["label"]))


def _content(digit: Handwritten) -> bytes:
    return digit.pixels.tobytes()


SOURCES = {
    "mnist_5k": Source(_read, _content),
    "mnist": Source(_read, _content, validation=None),
}
