"""One sequence into another: an encoder, and a decoder that attends to what the encoder read."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from pipeline import models
from pipeline.batches import Examples, Integers
from pipeline.config import Config
from pipeline.decoding import Hypothesis, beam_search
from pipeline.task import Compute

BOUNDARY = 1  # the symbol before the first one, and after the last one; 0 is padding
_TOGETHER = 256  # examples that are searched together


def examples(letters: Sequence[Sequence[int]], symbols: Sequence[Sequence[int]]) -> Examples:
    """Make examples of pairs of sequences of ids, from 1 on for letters and from 2 on for symbols.

    The targets are the symbols up to their end; the model sees those before each of them.
    """
    previous = [[BOUNDARY, *row] for row in symbols]
    targets = [[*row, BOUNDARY] for row in symbols]
    lengths = [len(read) + len(written) for read, written in zip(letters, targets, strict=True)]
    inputs = {"letters": _ragged(letters), "previous": _ragged(previous)}
    return Examples(inputs, _ragged(targets), np.array(lengths))


def build(config: Config, *, letters: int, symbols: int, embedding: int, name: str) -> keras.Model:
    """Build a model of `letters` `[batch, time]` and the `previous` symbols `[batch, steps]`.

    It gives the probabilities of the next symbol after each of `previous`, `[batch, steps,
    symbols]`. The decoder begins where the encoder ended, on both ends if it is bidirectional, so
    it has the units of both directions. It compares its output with each of the encoder's, and
    reads their mean, weighted by that (Luong, Pham & Manning, 2015, "Effective approaches to
    attention-based neural machine translation"): the scores `[batch, steps, time]` are the second
    output of the layer `attention`.

    Args:
        config: names cell, units, directions and dropout.
        letters: how many ids there are to read, 0 for padding included.
        symbols: how many ids there are to write, 0 for padding and the boundary included.
        embedding: numbers that stand for a letter or a symbol.
        name: of the model.
    """
    read = keras.Input((None,), dtype="int32", name="letters")
    previous = keras.Input((None,), dtype="int32", name="previous")
    real = ops.not_equal(read, 0)
    embedded = keras.layers.Embedding(letters, embedding, name="letter_embedding")(read)
    embedded = keras.layers.Dropout(config.dropout)(embedded)
    memory, *ends = models.recurrent(config, return_state=True)(embedded, mask=real)
    start = _joined(ends) if config.bidirectional else ends

    written = keras.layers.Embedding(symbols, embedding, name="symbol_embedding")(previous)
    written = keras.layers.Dropout(config.dropout)(written)
    units = config.units * (1 + config.bidirectional)
    decoder = models.layer(config.cell)(units, return_sequences=True, name="decoder")
    decoded = decoder(written, initial_state=start)
    context, _ = keras.layers.Attention(name="attention")(
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


def loss() -> keras.losses.Loss:
    """Return the mean over all symbols, padding apart, of how little the model believed in them."""
    return keras.losses.SparseCategoricalCrossentropy(ignore_class=0, name="loss")


@keras.saving.register_keras_serializable("pipeline")
def greedy_accuracy(targets: Any, probabilities: Any) -> Any:
    """Tell of each example whether a greedy search would find it: every next symbol is right."""
    targets = ops.cast(targets, "int32")
    found = ops.cast(ops.argmax(probabilities, axis=-1), "int32")
    right = ops.logical_or(ops.equal(targets, found), ops.equal(targets, 0))
    return ops.cast(ops.all(right, axis=-1), "float32")


def search(
    compute: Compute, examples: Examples, *, width: int, longest: int
) -> list[list[Hypothesis]]:
    """Find the `width` most probable sequences of symbols for the letters of each example.

    The model is asked anew about each prefix, which every format of it allows.
    """
    letters = examples.inputs["letters"]
    found: list[list[Hypothesis]] = [[]] * len(examples)
    order = np.argsort(letters.row_lengths().numpy(), kind="stable")
    for start in range(0, len(order), _TOGETHER):
        together = order[start : start + _TOGETHER]
        read = tf.gather(letters, together).to_tensor()

        def log_probabilities(
            prefixes: Integers, rows: Integers, read: Any = read
        ) -> npt.NDArray[np.floating[Any]]:
            previous = tf.constant(prefixes, tf.int32)
            probabilities = compute({"letters": tf.gather(read, rows), "previous": previous})
            last = np.array(probabilities[:, -1], np.float64)
            last[:, 0] = 0.0
            with np.errstate(divide="ignore"):
                return np.log(last)

        hypotheses = beam_search(
            log_probabilities,
            range(len(together)),
            start=BOUNDARY,
            end=BOUNDARY,
            width=width,
            longest=longest,
        )
        for place, row in zip(together, hypotheses, strict=True):
            found[place] = row
    return found


def _joined(ends: Sequence[Any]) -> list[Any]:
    """Put the final states of the two directions, which follow each other, side by side."""
    half = len(ends) // 2
    pairs = zip(ends[:half], ends[half:], strict=True)
    return [ops.concatenate(pair, axis=-1) for pair in pairs]


def _ragged(rows: Sequence[Sequence[int]]) -> tf.RaggedTensor:
    values = np.fromiter(chain.from_iterable(rows), np.int32)
    return tf.RaggedTensor.from_row_lengths(values, list(map(len, rows)))
