"""Texts as ids of their words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
from keras import ops

from exports.text import TextEncoder, Tokens
from pipeline import batches, models
from pipeline.config import ClassifyConfig
from pipeline.data import columns
from pipeline.data.kept import kept
from pipeline.data.labelled import Labelled
from pipeline.data.splits import Content
from pipeline.errors import PipelineError
from pipeline.examples import Data, Examples
from pipeline.explain.reading import Array, Explained, Reading, after_prefixes
from pipeline.explain.reading import Text as View
from pipeline.features import ngrams
from pipeline.features.base import Entrance, Feature, Tensor
from pipeline.features.ngrams import NgramCounts

_EXCERPT = 60  # letters of a text shown beside its prediction
_UNKNOWN = 1  # the id of every word that the vocabulary lacks
_ANY_LENGTH = 2**31 - 1


class TextEntrance(Entrance):
    """Embedded words, the mean of them, and weights of bigrams."""

    def __init__(self, config: ClassifyConfig, train: Examples, size: int, classes: int) -> None:
        self.config = config
        self.labels = train.targets.numpy()
        self.counts = (
            ngrams.words(train, size, classes),
            ngrams.bigrams(train, config.bigram_buckets, classes),
        )
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        words = embedded(tokens, config.embedding_dim, self.counts[0])
        words = keras.layers.Dropout(config.word_dropout, noise_shape=(None, None, 1))(words)
        super().__init__(tokens, words, ops.not_equal(tokens, 0))

    def pooled(self) -> Sequence[Tensor]:
        """Return the mean of the words, and the sum of the weights of the bigrams."""
        return (
            models.mean(self.sequences, self.mask),
            ngrams.sum_of_bigrams(self.input, self.counts[1], self.config.word_dropout),
        )

    def regression(self) -> Tensor | None:
        """Fit a regression on words and bigrams, if it has any weight."""
        if not self.config.regression_weight:
            return None
        return ngrams.regression(self.input, self.counts, self.labels, seed=self.config.seed)


class Text(Feature):
    """Texts in words, of which a vocabulary is known.

    Args:
        vocabulary: the word with id k at place k; 0 is padding and 1 any other word.
        max_length: words of a text to read.
        tokens: whether a text is read by words or by characters.

    Raises:
        ExportError: `exports.text.TextEncoder` takes no such vocabulary.
    """

    noun = "text"

    def __init__(self, vocabulary: Sequence[str], max_length: int, tokens: Tokens) -> None:
        self.encoder = TextEncoder(vocabulary, max_length, tokens=tokens)
        self.steps = tokens

    @classmethod
    def fit(cls, texts: Sequence[str], config: ClassifyConfig) -> Self:
        """Learn the most frequent words, or characters, of `texts`."""
        size, tokens = config.vocabulary_size, _tokens(texts, config)

        def vocabulary() -> Sequence[str]:
            return TextEncoder.from_texts(texts, size, max_length=1, tokens=tokens).vocabulary

        return cls(kept("vocabulary", vocabulary, texts, size, tokens), config.max_length, tokens)

    @property
    def vocabulary(self) -> Sequence[str]:
        """The word with id k at place k."""
        return self.encoder.vocabulary

    @staticmethod
    def parse(value: Any) -> str:
        """Take a value for a text."""
        return columns.to_text(value)

    @staticmethod
    def content(value: Any) -> Content:
        """The text decides."""
        text: str = value
        return text

    def examples(self, values: Sequence[Any], targets: Any) -> Examples:
        """Look up the words."""
        encoder = self.encoder
        known = encoder.vocabulary, encoder.max_length, encoder.tokens
        ids = kept("ids", lambda: encoder.encode(values), values, known)
        return batches.sequences(ids, targets)

    def enter(self, config: ClassifyConfig, train: Examples, classes: int) -> Entrance:
        """Embed the words, and count n-grams where there are classes that they can speak for."""
        return TextEntrance(config, train, len(self.vocabulary), classes)

    def read(self, typed: str) -> str:
        """Take it as it is."""
        return typed

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
        self, model: keras.Model, value: Any, explain: Callable[[Array], Explained]
    ) -> Reading:
        """Read word by word, as many as the model was to read."""
        (ids,) = self.encoder.encode([value])
        words = self.encoder.split(value)[: len(ids)]
        if not words:
            raise PipelineError("there is no word in the text to be explained")
        return Reading(
            model=model,
            name=value,
            inputs={"tokens": ids[None]},
            time="tokens",
            steps=words,
            noun=self.steps,
            running=after_prefixes,
            explain=explain,
            view=View(words),
            source="tokens",
        )

    def artifact(self, tested: Sequence[Any]) -> Mapping[str, Any]:
        """Put the encoder into the files, and compare them on texts."""
        return {"encoder": self.encoder, "texts": tested}


@dataclass(frozen=True, eq=False)
class EncodedTexts(Data):
    """Texts with labels, encoded, and what they were.

    Attributes:
        raw: inputs and labels as they were read.
        counted: the training examples without sentences drawn from them.
        classes: names of the classes.
        feature: what encodes the inputs.
    """

    raw: Labelled
    counted: Examples
    classes: Sequence[str]
    feature: Text

    def places(self, labels: Sequence[str]) -> list[int]:
        """Look up the number of each label."""
        return [self.classes.index(label) for label in labels]


def _tokens(texts: Sequence[str], config: ClassifyConfig) -> Tokens:
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
