"""Texts as sequences of tokens, and the pairs that a task learns from that writes texts."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Generic, Literal, Protocol, TypeVar

import keras
import numpy as np
import numpy.typing as npt

from exports.runtime.tokens import TOKENIZERS
from pipeline.config.writing import Unit, WritingConfig
from pipeline.data import columns, store
from pipeline.data.pairs import Pair, Paired
from pipeline.data.views import View
from pipeline.examples import Data, Examples
from pipeline.models import seq2seq


class SourceFeature(Protocol):
    """Encodes sources."""

    def inputs(self, values: Sequence[Any], /) -> Mapping[str, Any]:
        """Encode sources as the input of a model, by its name."""

    def length(self, value: Any, /) -> int:
        """Count the steps of a source."""

    def fault(self, model: keras.Model) -> str | None:
        """Say how `model` differs from what is known of the sources, if it does."""


S = TypeVar("S", bound=SourceFeature)


@dataclass(frozen=True)
class Tokens:
    """The tokens that a model knows.

    Attributes:
        unit: what texts are split into. Words stand between spaces.
        known: the tokens.
    """

    unit: Literal["words", "characters"]
    known: Sequence[str]

    @classmethod
    def fit(cls, texts: Sequence[str], unit: Unit, size: int) -> Tokens:
        """Take the `size` most frequent tokens of `texts`, those of one count by alphabet.

        Unless `unit` says so, texts are split into words where most have several, of a script with
        spaces.
        """
        if unit == "auto":
            unspaced = sum(len(columns.UNSPACED.findall(text)) for text in texts)
            several = statistics.median(len(text.split()) for text in texts) > 1
            spaced = unspaced <= sum(map(len, texts)) / 2
            unit = "words" if several and spaced else "characters"
        counts = Counter(token for text in texts for token in cls(unit, ()).split(text))
        return cls(unit, sorted(counts, key=lambda token: (-counts[token], token))[:size])

    def split(self, text: str) -> list[str]:
        """Split a text into tokens."""
        return TOKENIZERS[self.unit].split(text)

    def length(self, text: str) -> int:
        """Count the tokens of a text."""
        return len(self.split(text))

    def join(self, tokens: Iterable[str]) -> str:
        """Make a text of tokens."""
        return TOKENIZERS[self.unit].join(tokens)

    def read(self, text: str) -> list[int]:
        """Number the tokens of a source from 1 on. One that is not known has the last number."""
        return [self._places.get(token, len(self.known)) + 1 for token in self.split(text)]

    def inputs(self, texts: Sequence[str]) -> Mapping[str, Any]:
        """Encode sources as the input of a model."""
        known = self.unit, tuple(self.known)
        read = partial(map, self._read)
        return {"source": store.ragged("source ids", texts, known, read, like=self._read(""))}

    def _read(self, text: str) -> npt.NDArray[np.int32]:
        return np.array(self.read(text), np.int32)

    def fault(self, model: keras.Model) -> str | None:
        """Compare the number of ids of sources."""
        here, there = len(self.known) + 2, model.get_layer("source_embedding").input_dim
        if here == there:
            return None
        return f"it has {here} ids of source tokens, and the model {there}"

    def write(self, text: str) -> list[int]:
        """Number the tokens of a target from `seq2seq.FIRST` on.

        One that is not known is 0, as padding is: it does not count for the loss.
        """
        places = (self._places.get(token) for token in self.split(text))
        return [0 if place is None else seq2seq.FIRST + place for place in places]

    def written(self, symbols: Iterable[int]) -> list[str]:
        """Return the tokens of symbols that a model wrote."""
        return [self.known[symbol - seq2seq.FIRST] for symbol in symbols]

    @property
    def symbols(self) -> list[str]:
        """Name all that a model may write, 0 for padding and the end included."""
        return ["", "end", *self.known]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {token: place for place, token in enumerate(self.known)}


@dataclass(frozen=True, eq=False)
class PairExamples(Examples):
    """Sources, each with the ids of one target.

    Attributes:
        pairs: each source with all of its targets.
        target: the tokens of the targets.
        config: says how to search, and what of a target counts.
    """

    pairs: Sequence[Pair]
    target: Tokens
    config: WritingConfig

    @classmethod
    def of(
        cls, pairs: Sequence[Pair], source: SourceFeature, target: Tokens, config: WritingConfig
    ) -> PairExamples:
        """Encode each source with its first target."""
        written = [target.write(each.targets[0]) for each in pairs]
        encoded = seq2seq.examples(source.inputs(View(pairs, attrgetter("source"))), written)
        return cls(encoded.inputs, encoded.targets, encoded.lengths, pairs, target, config)


@dataclass(frozen=True, eq=False)
class PairData(Data, Generic[S]):
    """Pairs to train on, each target by itself; to test on, each source once.

    Attributes:
        raw: the pairs as they were read.
        source: encodes the sources.
        target: the tokens of the targets.
    """

    test: PairExamples
    raw: Paired
    source: S
    target: Tokens
