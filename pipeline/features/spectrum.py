"""The spectrum of sound: windows, waves, and filters on the mel scale."""

from typing import Any

import numpy as np
import numpy.typing as npt


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
