"""One sequence into another: an encoder, and a decoder that attends to what the encoder read."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from pipeline import models
from pipeline.config import Config

_ATTENTION = "attention"


def build(
    config: Config, *, source: str, ids: int, symbols: int, embedding: int, name: str
) -> keras.Model:
    """Build a model of the ids to read `[batch, time]` and the `previous` symbols `[batch, steps]`.

    It gives the probabilities of the next symbol after each of `previous`, `[batch, steps,
    symbols]`. The decoder begins where the encoder ended, on both ends if it is bidirectional, so
    it has the units of both directions. It compares its output with each of the encoder's, and
    reads their mean, weighted by that (Luong, Pham & Manning, 2015, "Effective approaches to
    attention-based neural machine translation").

    Args:
        config: names cell, units, directions and dropout.
        source: the name of the input that is read.
        ids: how many there are to read, 0 for padding included.
        symbols: how many there are to write, 0 for padding and the boundary included.
        embedding: numbers that stand for an id or a symbol.
        name: of the model.
    """
    read = keras.Input((None,), dtype="int32", name=source)
    previous = keras.Input((None,), dtype="int32", name="previous")
    real = ops.not_equal(read, 0)
    embedded = keras.layers.Embedding(ids, embedding, name="source_embedding")(read)
    embedded = keras.layers.Dropout(config.dropout)(embedded)
    memory, *ends = models.recurrent(config, return_state=True)(embedded, mask=real)
    start = _joined(ends) if config.bidirectional else ends

    written = keras.layers.Embedding(symbols, embedding, name="symbol_embedding")(previous)
    written = keras.layers.Dropout(config.dropout)(written)
    units = config.units * (1 + config.bidirectional)
    decoder = models.layer(config.cell)(units, return_sequences=True, name="decoder")
    decoded = decoder(written, initial_state=start)
    context, _ = keras.layers.Attention(name=_ATTENTION)(
        [decoded, memory], mask=[None, real], return_attention_scores=True
    )
    features = ops.concatenate([decoded, context], axis=-1)
    features = keras.layers.Dropout(config.dropout)(features)
    features = keras.layers.Dense(units, activation="tanh", name="attended")(features)
    features = keras.layers.Dropout(config.dropout)(features)
    probabilities = keras.layers.Dense(
        symbols, activation="softmax", dtype="float32", name="probabilities"
    )(features)
    return keras.Model([read, previous], probabilities, name=name)


def attention(model: keras.Model) -> keras.Model:
    """Return a model of the weights `[batch, steps, time]` that `model` attends by."""
    _, weights = model.get_layer(_ATTENTION).output
    return keras.Model(model.inputs, weights)


def _joined(ends: Sequence[Any]) -> list[Any]:
    """Put the final states of the two directions, which follow each other, side by side."""
    half = len(ends) // 2
    pairs = zip(ends[:half], ends[half:], strict=True)
    return [ops.concatenate(pair, axis=-1) for pair in pairs]
