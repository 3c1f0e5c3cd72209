"""Mel-frequency cepstral coefficients (MFCC) as a model of Keras, so that they export.

Davis & Mermelstein, 1980, "Comparison of parametric representations for monosyllabic word
recognition in continuously spoken sentences".
"""

import functools

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from scipy.fft import dct

from pipeline.features import spectrum

Floats = npt.NDArray[np.float32]

RATE = 8_000  # samples a second
WINDOW = 400
HOP = 200
FILTERS = 128
DECIBELS = 80  # below the loudest, nothing is told apart
POWER = 1e-10  # nor below this power

DEFINITION = (
    f"mel-frequency cepstral coefficients of sound from -1 to 1 at {RATE} Hz: frames of {WINDOW} "
    f"samples around every {HOP}th, mirrored at both ends; periodic Hann window; powers of the "
    f"spectrum; {FILTERS} triangular filters on HTK's mel scale from 0 to {RATE // 2} Hz, not "
    f"normalised; 10 log10, at least {POWER:g} and at most {DECIBELS} dB below the loudest; "
    "orthonormal cosine transform"
)


@functools.cache
def model(coefficients: int) -> keras.Model:
    """Return what turns samples `[batch, time]` into frames `[batch, frames, coefficients]`.

    Samples are from -1 to 1, `RATE` a second, and more than half a window of them. Sound of the
    Free Spoken Digit Dataset gives the numbers that `spoken_digits` has, within 0.005.
    """
    half = WINDOW // 2
    waves = spectrum.waves(WINDOW).astype("float32")
    filters = spectrum.mel_filters(RATE, WINDOW, FILTERS)
    samples = keras.Input((None,), dtype="float32", name="samples")
    mirrored = ops.pad(samples, [[0, 0], [half, half]], mode="reflect")
    frames = ops.conv(ops.expand_dims(mirrored, -1), waves[:, None], strides=HOP)
    powers = ops.matmul(ops.square(frames), np.tile(filters, (2, 1)).astype("float32"))
    decibels = ops.log(ops.maximum(powers, POWER)) * float(10 / np.log(10))
    loudest = ops.max(decibels, axis=(1, 2), keepdims=True)
    decibels = ops.maximum(decibels, loudest - DECIBELS)
    cosines = dct(np.eye(FILTERS), norm="ortho")[:, :coefficients].astype("float32")
    return keras.Model(samples, ops.matmul(decibels, cosines), name="cepstrum")


def mfcc(samples: Floats, coefficients: int) -> Floats:
    """Return the coefficients of one sound, `[frames, coefficients]`."""
    frames: Floats = model(coefficients)(samples[None]).numpy()[0]
    return frames


def seconds(frames: int) -> Floats:
    """Return when the middle of each frame is."""
    return (np.arange(frames) * HOP / RATE).astype(np.float32)
