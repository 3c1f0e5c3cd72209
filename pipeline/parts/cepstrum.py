"""The coefficients of `pipeline.parts.sound` as a model of Keras, so that they export."""

import keras
import numpy as np
from keras import ops

from pipeline.parts import sound


def model(coefficients: int) -> keras.Model:
    """Return what turns samples `[batch, time]` into the frames of `sound.mfcc`.

    Samples are from -1 to 1, `sound.RATE` a second, and more than half a window of them.
    """
    half = sound.WINDOW // 2
    waves = sound.waves(sound.WINDOW).astype("float32")
    filters = sound.mel_filters(sound.RATE, sound.WINDOW, sound.FILTERS)
    samples = keras.Input((None,), dtype="float32", name="samples")
    mirrored = ops.pad(samples, [[0, 0], [half, half]], mode="reflect")
    frames = ops.conv(ops.expand_dims(mirrored, -1), waves[:, None], strides=sound.HOP)
    powers = ops.matmul(ops.square(frames), np.tile(filters, (2, 1)).astype("float32"))
    decibels = ops.log(ops.maximum(powers, sound.POWER)) * float(10 / np.log(10))
    loudest = ops.max(decibels, axis=(1, 2), keepdims=True)
    decibels = ops.maximum(decibels, loudest - sound.DECIBELS)
    return keras.Model(samples, ops.matmul(decibels, _cosines(coefficients)), name="cepstrum")


def _cosines(coefficients: int) -> np.ndarray:
    from scipy.fft import dct

    return dct(np.eye(sound.FILTERS), norm="ortho")[:, :coefficients].astype("float32")
