"""Sentences in words, each as the bytes of its spelling."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self, final

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from pipeline import batches
from pipeline.config.tag import TagConfig
from pipeline.data import columns, store
from pipeline.data.table import Unusable
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.spec import Array, Explained, ExplainSpec, at_every_step
from pipeline.explain.spec import Text as View
from pipeline.features import frames
from pipeline.features.base import Entrance, Feature, Tensor

_BYTES = 256
_LONGEST = 32  # bytes of a word to read: a hash of more could leave 32 bits
_BYTE_WIDTH = 32  # numbers that stand for a byte
_WINDOW = 5  # bytes that a filter sees, which are two letters or more in any alphabet
_EXCERPT = 60  # letters of a sentence shown beside its prediction
_MARKS = ".,;:!?"
_VECTORS, _REAL = "words", "real"  # the layers between the spelling and the rest of the model


@final
class Words(Feature[TagConfig]):
    """Sentences in words, each at most `length` bytes of UTF-8.

    The model takes `[words, length]` bytes, zeros behind each word. It needs no vocabulary: the
    bytes of a word choose its row in a table, and filters over them see prefixes and endings, of
    unknown words too.

    Args:
        length: bytes of a word to read.
    """

    noun = "sentence"
    accepts = "a sentence, with spaces between its words"
    numbered = False
    settings = frozenset({"embedding_dim", "word_dropout", "word_buckets", "filters"})
    steps = "words"

    def __init__(self, length: int) -> None:
        self.length = length

    @classmethod
    def fit(cls, values: Sequence[Any], config: TagConfig) -> Self:
        """Measure the longest word."""
        longest = max(len(word.encode()) for words in values for word in words)
        return cls(min(longest, _LONGEST))

    @classmethod
    def restored(
        cls, fitted: Mapping[str, Any], vocabulary: Sequence[str], config: TagConfig
    ) -> Self:
        """Take the length that was once measured."""
        return cls(fitted["length"])

    @property
    def fitted(self) -> dict[str, str | int | None]:
        """The bytes of a word."""
        return {"length": self.length}

    def examples(self, values: Sequence[Any], targets: Any) -> Examples:
        """Spell the words."""
        like = np.empty((0, self.length), np.uint8)
        spelled = store.ragged("spellings", values, (), partial(map, self._spelled), like=like)
        return batches.examples(spelled, targets)

    def _spelled(self, words: Sequence[str]) -> npt.NDArray[np.uint8]:
        rows = (word.encode()[: self.length].ljust(self.length, b"\0") for word in words)
        return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, self.length)

    def enter(self, config: TagConfig, train: Examples, classes: int) -> Entrance:
        """Look up each word, and read its spelling."""
        spelling = keras.Input((None, self.length), dtype="uint8", name="spelling")
        letters = ops.cast(spelling, "int32")
        known = keras.layers.Embedding(config.word_buckets, config.embedding_dim, name="table")
        dropped = keras.layers.Dropout(config.word_dropout, noise_shape=(None, None, 1))
        vectors = [
            dropped(known(_bucket(letters, config.word_buckets))),
            _read(letters, config.filters),
        ]
        words = keras.layers.Concatenate(name=_VECTORS)(vectors)
        mask = keras.layers.Identity(name=_REAL)(ops.not_equal(letters[:, :, 0], 0))
        return Entrance(spelling, words, mask)

    def fault(self, model: keras.Model) -> str | None:
        """Compare the length of a word."""
        here, there = self.length, model.input_shape[-1]
        if here == there:
            return None
        return f"columns.json is damaged: words have {here} bytes, and the model knows {there}"

    def read(self, typed: str) -> list[str]:
        """Split a sentence at its spaces."""
        try:
            return columns.to_words(typed)
        except Unusable as error:
            raise PipelineError(f"there is no word in {typed!r}: give {self.accepts}") from error

    def described(self, values: Sequence[Any]) -> str:
        """Count words."""
        return f"median {statistics.median(map(len, values)):g} words"

    def shown(self, value: Any) -> str:
        """Write the beginning of a sentence."""
        line = " ".join(value)
        return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 1]}…"

    def notes(self, value: Any) -> tuple[str, ...]:
        """Name words that were cut, and punctuation that sticks to a word."""
        notes = []
        if long := [word for word in value if len(word.encode()) > self.length]:
            notes.append(f"only the first {self.length} bytes of {long[0]!r} were read")
        if stuck := [word for word in value if word[-1] in _MARKS and word.strip(_MARKS)]:
            notes.append(
                f"{stuck[0]!r} is one word; put a space before its mark if the training data do"
            )
        return tuple(notes)

    def explained(
        self, model: keras.Model, name: str, value: Any, explain: Callable[[Array], Explained]
    ) -> ExplainSpec:
        """Read the vectors that the model makes of the words."""
        hidden = [model.get_layer(each).output for each in (_VECTORS, _REAL)]
        spelled = self._spelled(value)[None]
        vectors, _ = (each.numpy() for each in keras.Model(model.input, hidden)(spelled))
        rest = keras.Model(hidden, model.output)
        words = keras.Input((None, vectors.shape[-1]), name="words")
        real = ops.any(ops.not_equal(words, 0.0), axis=-1)
        return ExplainSpec(
            model=keras.Model(words, rest([words, real])),
            name=name,
            inputs={"words": vectors},
            time="words",
            steps=value,
            noun=self.steps,
            running=at_every_step,
            explain=explain,
            view=View(value),
            source="words",
        )

    def artifact(self, tested: Sequence[Any]) -> dict[str, Any]:
        """Say what the model takes."""
        return {
            **frames.compared(self, tested),
            "card": {
                "input": f"the first {self.length} bytes of each word in UTF-8, zeros behind them; "
                "a word of zeros is padding",
            },
        }


def _bucket(letters: Tensor, buckets: int) -> Tensor:
    """Choose a row of so many for each word: the sum of its bytes, weighed by their places."""
    places = np.random.default_rng(0).integers(1, 2**18, letters.shape[-1], dtype=np.int32)
    return ops.sum(letters * places, axis=-1) % buckets


def _read(letters: Tensor, filters: int) -> Tensor:
    """Return the strongest answer of each filter along a word, `[batch, words, filters]`."""
    characters = keras.layers.Embedding(_BYTES, _BYTE_WIDTH, name="characters")(letters)
    convolution = keras.layers.Conv2D(
        filters, (1, _WINDOW), padding="same", activation="relu", name="filters"
    )
    return ops.max(convolution(characters), axis=2)
