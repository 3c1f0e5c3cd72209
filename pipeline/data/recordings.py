"""Spoken digits as frames of coefficients."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.data.loading import Source

Frames = npt.NDArray[np.float32]

LABELS = tuple("0123456789")


class Recording(NamedTuple):
    """What is heard, `[frames, coefficients]`, and the place of its label in `LABELS`."""

    frames: Frames
    label: int


SOURCES = {
    "spoken_digits": Source(
        read=lambda features: Recording(features["mfcc"], int(features["label"])),
        content=lambda recording: recording.frames.tobytes(),
    )
}
