"""Texts as ids of their words."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from exports.text import TextEncoder, Tokens
from pipeline import batches, models
from pipeline.config.inputs import InputConfig
from pipeline.data import columns, store
from pipeline.data.views import batched
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.spec import Array, Explained, ExplainSpec, after_prefixes
from pipeline.explain.spec import Text as View
from pipeline.features import ngrams, pretrained
from pipeline.features.base import Entrance, Feature, Tensor
from pipeline.features.excerpts import excerpts
from pipeline.features.ngrams import NgramCounts

_EXCERPT = 60  # letters of a text shown beside its prediction
_UNKNOWN = 1  # the id of every word that the vocabulary lacks
_ANY_LENGTH = 2**31 - 1
_AT_ONCE = 1024  # texts
_COMPARED = 10_000  # test texts that the exported formats are compared on, at most


class TextEntrance(Entrance):
    """Embedded words, the mean of them, and weights of bigrams."""

    def __init__(
        self, config: InputConfig, train: Examples, vocabulary: Sequence[str], classes: int
    ) -> None:
        self.config = config
        if not classes:
            train, classes = replace(train, targets=_halves(train.targets)), 2
        self.inside = ngrams.membership(train.targets.numpy(), classes)
        self.counts = (
            ngrams.words(train, len(vocabulary), classes),
            ngrams.bigrams(train, config.bigram_buckets, classes),
        )
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        if config.vectors:
            words = pretrained.embedded(tokens, Path(config.vectors), vocabulary)
        else:
            words = embedded(tokens, config.embedding_dim, self.counts[0])
        words = keras.layers.Dropout(config.word_dropout, noise_shape=(None, None, 1))(words)
        super().__init__(tokens, words, ops.not_equal(tokens, 0))

    def pooled(self) -> Sequence[Tensor]:
        """Return the mean of the words, and the sum of the weights of the bigrams."""
        return (
            models.mean(self.sequences, self.mask),
            ngrams.sum_of_bigrams(self.input, self.counts[1], self.config.word_dropout),
        )

    def regression(self, weight: float) -> Tensor | None:
        """Fit a regression on words and bigrams, if it has any weight."""
        if not weight:
            return None
        return ngrams.regression(self.input, self.counts, self.inside, seed=self.config.seed)


class Text(Feature[InputConfig]):
    """Texts in words, of which a vocabulary is known.

    Args:
        vocabulary: the word with id k at place k; 0 is padding and 1 any other word.
        max_length: words of a text to read.
        tokens: whether a text is read by words or by characters.

    Raises:
        ExportError: `exports.text.TextEncoder` takes no such vocabulary.
    """

    noun = "text"
    accepts = "a text"
    numbered = False
    settings = frozenset(
        {
            *("tokens", "vocabulary_size", "max_length", "embedding_dim", "word_dropout"),
            *("bigram_buckets", "excerpts", "vectors"),
        }
    )

    def __init__(self, vocabulary: Sequence[str], max_length: int, tokens: Tokens) -> None:
        self.encoder = TextEncoder(vocabulary, max_length, tokens=tokens)
        self.steps = tokens

    @classmethod
    def fit(cls, values: Sequence[Any], config: InputConfig) -> Self:
        """Learn the most frequent words, or characters, of texts."""
        size, tokens = config.vocabulary_size, _tokens(values, config)

        def vocabulary() -> Sequence[str]:
            return TextEncoder.from_texts(values, size, max_length=1, tokens=tokens).vocabulary

        words = store.values("words", (store.digest(values), size, tokens), vocabulary)
        return cls(list(words.values), config.max_length, tokens)

    @classmethod
    def restored(
        cls, fitted: Mapping[str, Any], vocabulary: Sequence[str], config: InputConfig
    ) -> Self:
        """Take the words that were once counted."""
        return cls(vocabulary, config.max_length, fitted["tokens"])

    @property
    def fitted(self) -> dict[str, str | int | None]:
        """Whether texts are read by words or by characters."""
        return {"tokens": self.steps}

    @property
    def vocabulary(self) -> Sequence[str]:
        """The word with id k at place k."""
        return self.encoder.vocabulary

    def more(self, values: Sequence[Any], config: InputConfig) -> Sequence[tuple[int, Any]]:
        """Draw sentences."""
        if not config.excerpts:
            return ()
        how = config.excerpts, config.seed
        content = store.digest(values), *how
        return store.values("excerpts", content, lambda: excerpts(values, *how)).values

    def examples(self, values: Sequence[Any], targets: Any) -> Examples:
        """Look up the words."""
        encoder = self.encoder
        known = encoder.vocabulary, encoder.max_length, encoder.tokens
        ids = store.ragged("ids", values, known, self._encoded, like=np.empty(0, np.int32))
        return batches.examples(ids, targets)

    def _encoded(self, texts: Iterable[str]) -> Iterator[Array]:
        """Give the ids of each text; one without a word becomes one step of padding."""
        for few in batched(texts, _AT_ONCE):
            for ids in self.encoder.encode(few):
                yield ids if len(ids) else np.zeros(1, np.int32)

    def enter(self, config: InputConfig, train: Examples, classes: int) -> Entrance:
        """Embed the words, and count n-grams where there are classes that they can speak for."""
        return TextEntrance(config, train, self.vocabulary, classes)

    def fault(self, model: keras.Model) -> str | None:
        """Compare the number of words."""
        here, there = len(self.vocabulary), model.get_layer("words").input_dim
        if here == there:
            return None
        return f"vocabulary.txt is damaged: it has {here} words, and the model knows {there}"

    def read(self, typed: str) -> str:
        """Take it as it is."""
        return typed

    def described(self, values: Sequence[Any]) -> str:
        """Count words."""
        return f"median {statistics.median(len(each.split()) for each in values):g} words"

    def shown(self, value: Any) -> str:
        """Write the beginning of a text."""
        line = " ".join(value.split())
        return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 1]}…"

    def notes(self, value: Any) -> tuple[str, ...]:
        """Say so if there is no word, no known word, or more words than the model reads."""
        limit = self.encoder.max_length
        whole = TextEncoder(self.vocabulary, _ANY_LENGTH, tokens=self.encoder.tokens)
        (ids,) = whole.encode([value])
        if not len(ids):
            return ("there is no word in it, so this is the guess for an empty text",)
        notes = []
        if len(ids) > limit:
            notes.append(f"only the first {limit:,} of its {len(ids):,} {self.steps} were read")
        if (ids[:limit] == _UNKNOWN).all():
            notes.append(f"the model knows none of its {self.steps}")
        return tuple(notes)

    def explained(
        self, model: keras.Model, name: str, value: Any, explain: Callable[[Array], Explained]
    ) -> ExplainSpec:
        """Read word by word, as many as the model was to read."""
        (ids,) = self.encoder.encode([value])
        words = self.encoder.split(value)[: len(ids)]
        if not words:
            raise PipelineError("there is no word in the text to be explained")
        return ExplainSpec(
            model=model,
            name=name,
            inputs={"tokens": ids[None]},
            time="tokens",
            steps=words,
            noun=self.steps,
            running=after_prefixes,
            explain=explain,
            view=View(words),
            source="tokens",
        )

    def artifact(self, tested: Sequence[Any]) -> dict[str, Any]:
        """Put the encoder into the files, and compare them on texts."""
        return {"encoder": self.encoder, "texts": list(tested[:_COMPARED])}


def _halves(targets: Tensor) -> Tensor:
    """Tell the upper half of numbers, the first of each example, from the lower."""
    first = targets.numpy()[:, 0]
    return ops.convert_to_tensor(first > np.median(first), "int32")


def _tokens(texts: Sequence[str], config: InputConfig) -> Tokens:
    """Choose what texts are read by: characters, where most of these are of unspaced scripts."""
    if config.tokens != "auto":
        return config.tokens
    unspaced = sum(len(columns.UNSPACED.findall(text)) for text in texts)
    return "characters" if unspaced > sum(map(len, texts)) / 2 else "words"


def embedded(tokens: Tensor, width: int, words: NgramCounts) -> Tensor:
    """Embed words. The first numbers of each begin as its log count ratios, the rest at random.

    Where there are more ratios than half of the numbers, all begin at random.
    """
    size, ratios = words.log_count_ratios.shape
    layer = keras.layers.Embedding(size, width, mask_zero=True, name="words")
    sequences = layer(tokens)
    if 2 * ratios <= width:
        (embeddings,) = layer.get_weights()
        embeddings[:, :ratios] = ngrams.SCALE * words.log_count_ratios
        layer.set_weights([embeddings])
    return sequences
