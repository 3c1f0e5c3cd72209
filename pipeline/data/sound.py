"""Recordings, and the files they come in."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import resample_poly

from pipeline import files
from pipeline.data.table import Unusable
from pipeline.errors import PipelineError

Floats = npt.NDArray[np.float32]

SUFFIXES = (".wav", ".flac", ".ogg")

_LOUDEST = 2**15  # the 16-bit number of the sample 1
_RATES = range(1_000, 400_001)
_SECONDS = (0.05, 60.0)
_MOST_CHANNELS = 8
_BLOCK = 2**16  # samples of each channel that are read at once


class Recording(NamedTuple):
    """A recording.

    Attributes:
        samples: 16-bit integers, `[samples]`; the mean of the channels.
        rate: samples a second.
    """

    samples: npt.NDArray[np.int16]
    rate: int


def load(path: Path) -> Recording:
    """Read a sound file.

    Raises:
        Unusable: it is no sound file, too short, too long, or holds a number that is not finite.
        PipelineError: there is no such file.
    """
    samples, rate = _read(path)
    return Recording(_to_integers(samples), rate)


def read(path: Path, rate: int) -> Floats:
    """Read a sound file as samples from -1 to 1, `rate` a second, the mean of its channels.

    Raises:
        PipelineError: it is no sound file, too short, too long, or holds a number that is not
            finite.
    """
    try:
        samples, own_rate = _read(path)
    except Unusable as error:
        raise PipelineError(f"{path} {error}") from error
    return _resampled(samples, own_rate, rate)


def resampled(recording: Recording, rate: int) -> npt.NDArray[np.int16]:
    """Return the samples of a recording at another rate."""
    if recording.rate == rate:
        return recording.samples
    samples = recording.samples.astype(np.float32) / _LOUDEST
    return _to_integers(_resampled(samples, recording.rate, rate))


def _read(path: Path) -> tuple[Floats, int]:
    files.reject_irregular(path)
    try:
        with soundfile.SoundFile(path) as file:
            _reject_unusable(file.samplerate, file.frames, file.channels)
            blocks = file.blocks(_BLOCK, dtype="float32", always_2d=True)
            samples = np.concatenate([block.mean(axis=1) for block in blocks])
            rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise Unusable(f"is damaged or no sound file: {error.error_string}") from error
    if not np.isfinite(samples).all():
        raise Unusable("holds a number that is not finite")
    return samples, rate


def _reject_unusable(rate: int, frames: int, channels: int) -> None:
    if rate not in _RATES:
        raise Unusable(
            f"has {rate:,} samples a second: give one with {_RATES[0]:,} to {_RATES[-1]:,}"
        )
    shortest, longest = _SECONDS
    if not shortest <= frames / rate <= longest:
        raise Unusable(
            f"lasts {frames / rate:.3g} s: give a recording of {shortest:g} to {longest:g} s"
        )
    if channels > _MOST_CHANNELS:
        raise Unusable(f"has {channels} channels: give one of {_MOST_CHANNELS} at most")


def _resampled(samples: npt.NDArray[Any], own_rate: int, rate: int) -> Floats:
    return resample_poly(samples, rate, own_rate).astype(np.float32)


def _to_integers(samples: Any) -> npt.NDArray[np.int16]:
    integers = np.round(samples * _LOUDEST).clip(-_LOUDEST, _LOUDEST - 1)
    return integers.astype(np.int16)
