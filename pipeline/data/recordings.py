"""What is said in recordings, from any of the known data sets, in one shape."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.data.loading import Source

Sound = npt.NDArray[Any]

DIGITS = tuple("0123456789")
COMMANDS = (
    *("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes"),
    *("_silence_", "_unknown_"),
)
LABELS = {"spoken_digits": DIGITS, "spoken_digit": DIGITS, "speech_commands": COMMANDS}
RATES = {"spoken_digit": 8_000, "speech_commands": 16_000}  # samples a second of the waveforms


class Recording(NamedTuple):
    """What is heard, and the place of its label in `LABELS` of the data set.

    It is a waveform `[samples]`, as 16-bit numbers, in the data sets that `RATES` has; in the
    others, frames of coefficients `[frames, coefficients]`.
    """

    sound: Sound
    label: int


def _coefficients(features: Mapping[str, Any]) -> Recording:
    return Recording(features["mfcc"], int(features["label"]))


def _waveform(features: Mapping[str, Any]) -> Recording:
    return Recording(features["audio"].astype(np.int16), int(features["label"]))


def _content(recording: Recording) -> bytes:
    return recording.sound.tobytes()


SOURCES = {
    "spoken_digits": Source(_coefficients, _content),
    "spoken_digit": Source(_waveform, _content, validation=None, test=None),
    "speech_commands": Source(_waveform, _content),
}
