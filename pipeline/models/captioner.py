"""Models that look at an image and write a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from pipeline import models
from pipeline.config.caption import CaptionConfig

_CONVOLUTIONS = 2  # before the image is halved
_SMALLEST = 4  # height of what the last convolution leaves, at most


def build(config: CaptionConfig, channels: int, symbols: int) -> keras.Model:
    """Build a model of the `image` and the `previous` symbols `[batch, steps]`.

    It gives the probabilities of the next symbol after each of `previous`, `[batch, steps,
    symbols]`. Convolutions see the image; their mean over height and width is read beside each
    symbol that was written.

    Args:
        config: names size, filters, cell, units and dropout.
        channels: of the image.
        symbols: how many there are to write, 0 for padding and the boundary included.
    """
    image, previous, seen = _seen(config, channels)
    embedding = keras.layers.Embedding(symbols, config.embedding_dim, name="symbol_embedding")
    embedded = embedding(previous)
    beside = ops.zeros_like(embedded[..., :1]) + ops.expand_dims(seen, 1)
    decoder = models.recurrent(config, name="decoder")
    written = decoder(ops.concatenate([embedded, beside], axis=-1))
    return _finished(image, previous, written, config, symbols, name=config.task)


def build_without_memory(config: CaptionConfig, channels: int, symbols: int) -> keras.Model:
    """Build one that sees the image and the place of a symbol, but no symbol before it."""
    image, previous, seen = _seen(config, channels)
    places = ops.cumsum(ops.ones_like(previous), axis=1) - 1
    embedding = keras.layers.Embedding(config.max_length + 1, config.units, name="places")
    hidden = ops.expand_dims(keras.layers.Dense(config.units)(seen), 1) + embedding(places)
    written = keras.layers.Activation("relu")(hidden)
    return _finished(image, previous, written, config, symbols, name="without_memory")


def _seen(config: CaptionConfig, channels: int) -> tuple[Any, Any, Any]:
    """Return the inputs, and what convolutions see in the image, `[batch, units]`."""
    image = keras.Input((config.size, config.size, channels), dtype="uint8", name="image")
    previous = keras.Input((None,), dtype="int32", name="previous")
    seen = keras.layers.Rescaling(1 / 255)(image)
    for vary in _variations(config):
        seen = vary(seen)
    filters = config.filters
    while seen.shape[1] > _SMALLEST:
        for _ in range(_CONVOLUTIONS):
            seen = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(seen)
            seen = keras.layers.BatchNormalization(momentum=0.9)(seen)
            seen = keras.layers.Activation("relu")(seen)
        seen = keras.layers.MaxPooling2D()(seen)
        filters *= 2
    seen = keras.layers.Dropout(config.dropout)(keras.layers.GlobalAveragePooling2D()(seen))
    seen = keras.layers.Dense(config.units, activation="relu", name="seen")(seen)
    return image, previous, keras.layers.Dropout(config.dropout)(seen)


def _variations(config: CaptionConfig) -> Iterator[keras.layers.Layer]:
    """Give layers that vary an image at each training step; its edge goes on outside."""
    yield keras.layers.RandomTranslation(config.shift, config.shift, fill_mode="nearest")
    yield keras.layers.RandomRotation(config.turn / 360, fill_mode="nearest")
    yield keras.layers.RandomZoom((-config.zoom, config.zoom), fill_mode="nearest")


def _finished(
    image: Any, previous: Any, written: Any, config: CaptionConfig, symbols: int, *, name: str
) -> keras.Model:
    """Finish a model that has come to `written` `[batch, steps, features]`."""
    written = keras.layers.Dropout(config.dropout)(written)
    probabilities = keras.layers.Dense(
        symbols, activation="softmax", dtype="float32", name="probabilities"
    )(written)
    return keras.Model([image, previous], probabilities, name=name)
