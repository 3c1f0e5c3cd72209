"""Text to token ids: the same operators in training, in the SavedModel and in ONNX."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from exports.artifact import Artifact
from exports.errors import InvalidArgumentError, InvalidInputError, reason

PADDING, UNKNOWN = "", "[UNK]"

# Regular expressions, in RE2's notation: a line-break tag, and what a token is made of.
TAG, LETTER, MARK = r"<br\s*/?>", r"\pL\pN\pM'", r"!?.,;:()\""

Tokens = Literal["words", "characters"]

_BATCH = 1024


@keras.saving.register_keras_serializable("exports")
def standardize(texts: Any) -> Any:
    """Reduce text to tokens between spaces.

    A token is a run of letters, digits, marks and apostrophes, or one of `!?.,;:()"`. Line-break
    tags are dropped, and A to Z become lower case; other letters stay as they are, because ONNX
    operators lower no others alike everywhere.
    """
    texts = tf.strings.regex_replace(tf.strings.lower(texts), TAG, " ")
    texts = tf.strings.regex_replace(texts, f"[^{LETTER}{MARK}]+", " ")
    return tf.strings.regex_replace(texts, f"([{MARK}])", r" \1 ")


@keras.saving.register_keras_serializable("exports")
def standardize_characters(texts: Any) -> Any:
    """Reduce text to tokens as `standardize` does, but each letter, digit or mark is a token."""
    return tf.strings.regex_replace(standardize(texts), f"([{LETTER}])", r"\1 ")


STANDARDIZE = {"words": standardize, "characters": standardize_characters}


class TextEncoder:
    """Encode text as ids: the place of each token in a vocabulary, at most `max_length` of them.

    Id 0 is padding and id 1 stands for every token that the vocabulary lacks. A batch of texts is
    padded to `min_length` ids, which a convolution may need. Texts of a script that has no spaces
    between words are read by `tokens="characters"`.

    Raises:
        ExportError: if the vocabulary does not begin with the two reserved entries, holds no
            other, repeats one, or holds one that is not a line of text.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        max_length: int,
        min_length: int = 1,
        tokens: Tokens = "words",
    ) -> None:
        self.vocabulary = tuple(vocabulary)
        self.max_length = max_length
        self.min_length = min_length
        self.tokens = tokens
        if self.vocabulary[:2] != (PADDING, UNKNOWN):
            raise InvalidArgumentError(
                f"A vocabulary must begin with {PADDING!r} and {UNKNOWN!r}, "
                f"not with {self.vocabulary[:2]}."
            )
        if len(set(self.vocabulary)) < len(self.vocabulary):
            raise InvalidArgumentError("A vocabulary must not hold the same word twice.")
        if any("\n" in word or "\0" in word for word in self.vocabulary):
            raise InvalidArgumentError(
                "A vocabulary is lines of text: no word may hold a line feed or NUL."
            )
        if len(self.vocabulary) == 2:
            raise InvalidArgumentError(
                f"This vocabulary cannot be used: it is empty beside {PADDING!r} and {UNKNOWN!r}."
            )
        try:
            self.table = _table(self.vocabulary)
        except ValueError as error:
            raise InvalidArgumentError(
                f"This vocabulary cannot be used: {reason(error)}"
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments, as a table stays in its process."""
        return type(self), (self.vocabulary, self.max_length, self.min_length, self.tokens)

    @classmethod
    def from_texts(
        cls, texts: Sequence[str], size: int, max_length: int, tokens: Tokens = "words"
    ) -> "TextEncoder":
        """Make an encoder whose vocabulary is the `size` most frequent entries of `texts`."""
        vectorizer = keras.layers.TextVectorization(
            size, standardize=STANDARDIZE[tokens], split="whitespace"
        )
        strings = tf.TensorSpec([], tf.string)
        dataset = tf.data.Dataset.from_generator(lambda: iter(texts), output_signature=strings)
        vectorizer.adapt(dataset.batch(_BATCH))
        words = [str(word) for word in vectorizer.get_vocabulary()]
        return cls(words, max_length, tokens=tokens)

    @classmethod
    def recorded(cls, artifact: Artifact) -> "TextEncoder":
        """Return the encoder of an exported model that takes text.

        Raises:
            ExportError: if it takes no text, or its vocabulary is damaged.
        """
        text = artifact.config.text
        if text is None:
            raise InvalidInputError(f"{artifact.directory} holds a model that takes no text.")
        return cls(artifact.vocabulary, text.max_length, text.min_length, text.tokens)

    def split(self, text: str) -> list[str]:
        """Return the tokens of a text, all of them."""
        standard: bytes = STANDARDIZE[self.tokens]([text]).numpy()[0]
        return standard.decode().split()

    def __call__(self, texts: Any) -> Any:
        """Turn strings `[batch]` into ids `[batch, time]`, padded right."""
        ids = self._ids(texts).to_tensor()
        return tf.pad(ids, [[0, 0], [0, tf.maximum(self.min_length - tf.shape(ids)[1], 0)]])

    def encode(self, texts: Iterable[str]) -> list[np.ndarray]:
        """Turn texts into arrays of ids, each as long as its text, up to `max_length`."""
        texts = list(texts)
        arrays: list[np.ndarray] = []
        for start in range(0, len(texts), _BATCH):
            ids = self._ids(texts[start : start + _BATCH])
            arrays.extend(np.split(ids.values.numpy(), ids.row_splits.numpy()[1:-1]))
        return arrays

    def _ids(self, texts: Any) -> Any:
        """Turn strings `[batch]` into ragged ids `[batch, time]`."""
        words = tf.strings.split(STANDARDIZE[self.tokens](texts))
        return self.table.lookup(words[:, : self.max_length])


def _table(vocabulary: Sequence[str]) -> tf.lookup.StaticHashTable:
    """Map each word to its place in the vocabulary, and others to that of `UNKNOWN`."""
    words, ids = tf.constant(vocabulary), tf.range(len(vocabulary), dtype=tf.int32)
    unknown = vocabulary.index(UNKNOWN)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(words, ids), unknown)
