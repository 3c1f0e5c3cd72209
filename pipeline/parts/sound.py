"""Sound: files into samples, and samples into frames of coefficients."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import files
from pipeline.errors import PipelineError

Floats = npt.NDArray[np.float32]

RATE = 8_000  # samples a second of what MFCCs are made of
WINDOW = 400
HOP = 200
FILTERS = 128
DECIBELS = 80  # below the loudest, nothing is told apart
POWER = 1e-10  # nor below this power

MFCC = (
    f"mel-frequency cepstral coefficients of sound from -1 to 1 at {RATE} Hz: frames of {WINDOW} "
    f"samples around every {HOP}th, mirrored at both ends; periodic Hann window; powers of the "
    f"spectrum; {FILTERS} triangular filters on HTK's mel scale from 0 to {RATE // 2} Hz, not "
    f"normalised; 10 log10, at least {POWER:g} and at most {DECIBELS} dB below the loudest; "
    "orthonormal cosine transform"
)

_RATES = range(1_000, 400_001)
_SECONDS = (0.05, 60.0)
_MOST_CHANNELS = 8
_BLOCK = 2**16  # samples of each channel that are read at once


def read(path: Path, rate: int = RATE) -> Floats:
    """Read a sound file as samples from -1 to 1, `rate` a second, the mean of its channels.

    Raises:
        PipelineError: it is no sound file, too short, too long, or holds what is no finite number.
    """
    import soundfile

    files.reject_irregular(path)
    try:
        with soundfile.SoundFile(path) as file:
            _reject_unusable(path, file.samplerate, file.frames, file.channels)
            blocks = file.blocks(_BLOCK, dtype="float32", always_2d=True)
            samples = np.concatenate([block.mean(axis=1) for block in blocks])
            own_rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise PipelineError(f"{path} is damaged or no sound file: {error.error_string}") from error
    if not np.isfinite(samples).all():
        raise PipelineError(f"{path} holds what is no finite number")
    return _resampled(samples, own_rate, rate)


def mfcc(samples: Floats, coefficients: int) -> Floats:
    """Return the first cepstral coefficients of each frame, as `MFCC` says.

    Sound of the Free Spoken Digit Dataset gives the numbers that `spoken_digits` has, within 0.001.
    """
    from scipy.fft import dct

    mirrored = np.pad(samples, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, WINDOW)[::HOP]
    powers = np.abs(np.fft.rfft(frames * hann(WINDOW))) ** 2 @ mel_filters(RATE, WINDOW, FILTERS)
    decibels = 10 * np.log10(np.maximum(powers, POWER))
    decibels = np.maximum(decibels, decibels.max() - DECIBELS)
    return dct(decibels, norm="ortho")[:, :coefficients].astype(np.float32)


def seconds(frames: int) -> Floats:
    """Return when the middle of each frame of `mfcc` is."""
    return (np.arange(frames) * HOP / RATE).astype(np.float32)


def hann(window: int) -> npt.NDArray[Any]:
    """Return the weight of each sample of a window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)


def waves(window: int) -> npt.NDArray[Any]:
    """Return cosines and sines of all frequencies of a window, under its weights.

    They are `[samples, 2 * frequencies]`: a product with them is the spectrum in real numbers.
    """
    time = np.arange(window)
    turns = 2 * np.pi * np.outer(time, np.arange(window // 2 + 1)) / window
    return np.hstack([np.cos(turns), np.sin(turns)]) * hann(window)[:, None]


def mel_filters(rate: int, window: int, count: int) -> npt.NDArray[Any]:
    """Return how much of each frequency of a window each filter takes, `[frequencies, count]`.

    A filter is a triangle that begins and ends at the peaks of its neighbours; the peaks are
    evenly spaced on HTK's mel scale from 0 to half the rate.
    """
    frequencies = np.fft.rfftfreq(window, 1 / rate)[:, None]
    top = 2595 * np.log10(1 + rate / 2 / 700)
    peaks = 700 * (10 ** (np.linspace(0, top, count + 2) / 2595) - 1)
    rising = (frequencies - peaks[:-2]) / np.diff(peaks)[:-1]
    falling = (peaks[2:] - frequencies) / np.diff(peaks)[1:]
    return np.maximum(0, np.minimum(rising, falling))


def _reject_unusable(path: Path, rate: int, frames: int, channels: int) -> None:
    if rate not in _RATES:
        raise PipelineError(
            f"{path} has {rate:,} samples a second: give one with {_RATES[0]:,} to {_RATES[-1]:,}"
        )
    shortest, longest = _SECONDS
    if not shortest <= frames / rate <= longest:
        raise PipelineError(
            f"{path} lasts {frames / rate:.3g} s: give a recording of {shortest:g} to {longest:g} s"
        )
    if channels > _MOST_CHANNELS:
        raise PipelineError(f"{path} has {channels} channels: give one of {_MOST_CHANNELS} at most")


def _resampled(samples: Floats, own_rate: int, rate: int) -> Floats:
    from scipy.signal import resample_poly

    return resample_poly(samples, rate, own_rate).astype(np.float32)
