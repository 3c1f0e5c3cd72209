"""A small model that reads letters and writes others, and how its files are to write."""

from typing import Any

import keras
from keras import ops

import custom_layers
from exports.schema import Source, Writing
from tests.exports import models

LETTERS, SYMBOLS = "abcd", ("", "end", "x", "y", "z")
END, LONGEST = 1, 3
WRITING = Writing(
    unit="characters",
    longest=LONGEST,
    start=END,
    end=END,
    source=Source("letters", "characters", tuple(LETTERS)),
)


def translator(cell: Any = custom_layers.GRU, **options: Any) -> keras.Model:
    """An encoder, and a decoder that attends to what it read."""
    letters = keras.Input((None,), dtype="int32", name="letters")
    previous = keras.Input((None,), dtype="int32", name="previous")
    real = ops.not_equal(letters, 0)
    read = keras.layers.Embedding(len(LETTERS) + 2, 6)(letters)
    memory, *ends = cell(6, return_sequences=True, return_state=True, **options)(read, mask=real)
    written = keras.layers.Embedding(len(SYMBOLS), 6)(previous)
    decoder = cell(6, return_sequences=True, name="decoder", **options)
    decoded = decoder(written, initial_state=ends)
    context = keras.layers.Attention()([decoded, memory], mask=[None, real])
    both = ops.concatenate([decoded, context], axis=-1)
    odds = keras.layers.Dense(len(SYMBOLS), activation="softmax", name="odds")(both)
    return models.randomized(keras.Model([letters, previous], odds, name="translator"), scale=1.0)
