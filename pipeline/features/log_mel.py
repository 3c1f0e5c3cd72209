"""Waveforms into frames of log-mel energies, in layers of Keras that do not learn."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from pipeline.features import spectrum

Tensor = Any

REAL = "real"  # the layer that puts out which frames are no padding

_BANDS = 40
_WINDOW, _HOP = 0.025, 0.010  # seconds
_FULL = 2**15  # the number in 16 bits that is the loudest sound, 1
_FLOOR = 1e-9  # added to the power in a band, so that silence has a logarithm
_FIXED = {"use_bias": False, "trainable": False, "dtype": "float32"}  # in any precision


def log_mel(waveform: Tensor, rate: int) -> tuple[Tensor, Tensor]:
    """Hear `waveform` `[batch, samples]` of 16-bit numbers, `rate` of them a second.

    Zeros at the end are padding. How many there are changes no frame.

    Returns:
        Frames `[batch, frames, 40]`, as `definition` says, and which of them begin before the
        padding `[batch, frames]`.
    """
    window, hop = _samples(rate)
    samples = keras.layers.Rescaling(1 / _FULL, dtype="float32", name="samples")(waveform)
    padded = ops.expand_dims(ops.pad(samples, [(0, 0), (0, window - 1)]), -1)
    weights = spectrum.hann(window).sum()
    waves, bands = (
        spectrum.waves(window) / weights,
        np.tile(spectrum.mel_filters(rate, window, _BANDS), (2, 1)),
    )
    convolution = keras.layers.Conv1D(waves.shape[-1], window, hop, name="spectrum", **_FIXED)
    waved = _weighed(convolution, padded, waves[:, None])
    dense = keras.layers.Dense(_BANDS, name="mel", **_FIXED)
    powers = _weighed(dense, ops.square(waved), bands)
    places = ops.cumsum(ops.ones_like(samples, dtype="int32"), axis=1)
    length = ops.max(ops.where(ops.equal(samples, 0.0), 0, places), axis=1, keepdims=True)
    begins = hop * (ops.cumsum(ops.ones_like(powers[:, :, 0], dtype="int32"), axis=1) - 1)
    real = keras.layers.Identity(name=REAL)(ops.less(begins, length))
    return ops.log(powers + _FLOOR), real


def window(rate: int) -> int:
    """Return how many samples a frame is made of."""
    return _samples(rate)[0]


def seconds(frames: int, rate: int) -> npt.NDArray[np.floating[Any]]:
    """Return when the middle of each frame is."""
    window, hop = _samples(rate)
    return (hop * np.arange(frames) + window / 2) / rate


def definition(rate: int) -> str:
    """Say what `log_mel` computes, for who has to do the same."""
    window, hop = _samples(rate)
    return (
        f"log-mel energies of sound from -1 to 1 at {rate} Hz: frames of {window} samples, one "
        f"from every {hop}th on, zeros after the last; periodic Hann window, its sum 1; powers of "
        f"the spectrum; {_BANDS} triangular filters on HTK's mel scale from 0 to {rate // 2} Hz, "
        f"not normalised; natural logarithm of the power and {_FLOOR:g}"
    )


def _samples(rate: int) -> tuple[int, int]:
    """The lengths of a window, and of the way to the next one."""
    return round(_WINDOW * rate), round(_HOP * rate)


def _weighed(layer: keras.layers.Layer, inputs: Tensor, weights: np.ndarray) -> Tensor:
    """Apply `layer` with these weights."""
    outputs = layer(inputs)
    layer.set_weights([weights])
    return outputs
