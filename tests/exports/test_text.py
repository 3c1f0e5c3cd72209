"""Text to ids: the rule against another reading of it, and one path against the other."""

import pickle
import sys
import unicodedata
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exports import Artifact, ExportError, formats
from exports.signature import Run
from exports.text import TextEncoder, standardize
from tests.exports.models import VOCABULARY, first_outputs
from tests.exports.texts import FRAGMENTS, ids, read, texts

some = settings(max_examples=100)
few = settings(max_examples=20)


@some
@given(texts)
@example("")
@example("".join(FRAGMENTS))
@example(" ".join(FRAGMENTS))
def test_tokens(text: str) -> None:
    assert standardize(tf.constant(text)).numpy().decode().split() == read(text)


def test_every_character() -> None:
    """Alone between two letters: it joins them, parts them, or stands by itself."""
    letters = [
        letter
        for letter in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(letter) not in ("Cs", "Cn")
    ]
    standard = standardize(tf.constant([f"a{letter}b" for letter in letters])).numpy()
    for letter, got in zip(letters, standard, strict=True):
        assert got.decode().split() == read(f"a{letter}b"), hex(ord(letter))


@some
@given(st.lists(texts, max_size=6))
@example([])
@example(["", ""])
def test_ids(encoder: TextEncoder, texts: list[str]) -> None:
    """Ragged or padded, alone or in a batch, the ids of a text are the same."""
    expected = [ids(text, VOCABULARY) for text in texts]
    assert [row.tolist() for row in encoder.encode(texts)] == expected
    padded = encoder(tf.constant(texts, "string")).numpy()
    assert padded.dtype == "int32"
    assert padded.shape == (len(texts), max([1, *map(len, expected)]))
    for row, wanted in zip(padded.tolist(), expected, strict=True):
        assert row == wanted + [0] * (padded.shape[1] - len(wanted))


def test_pickled(encoder: TextEncoder) -> None:
    copied = pickle.loads(pickle.dumps(encoder))
    texts = ["good, not bad", "Ünknown", ""]
    np.testing.assert_array_equal(copied(texts), encoder(texts))


@pytest.fixture(scope="module")
def text_path(exported: Artifact) -> Run:
    return formats.read(exported, "saved_model", "text")


@few
@given(st.lists(texts, min_size=1, max_size=6))
def test_text_path_of_saved_model(
    text_path: Run, exported: Artifact, model: keras.Model, encoder: TextEncoder, texts: list[str]
) -> None:
    got = text_path({"text": np.array([text.encode() for text in texts], object)})
    np.testing.assert_allclose(got["label"], model(encoder(tf.constant(texts))), atol=1e-6)
    np.testing.assert_allclose(first_outputs(exported, texts), got["label"], atol=1e-6)


@pytest.mark.parametrize(
    "text", ["good " * 100_000, "good" * 100_000, "!" * 100_000, " " * 100_000, "<br />" * 100_000]
)
def test_long_text(text: str, encoder: TextEncoder, exported: Artifact) -> None:
    assert encoder.encode([text])[0].tolist() == ids(text, VOCABULARY)
    assert first_outputs(exported, [text]).shape == (1, 2)


def test_text_beyond_one_batch_of_the_encoder(encoder: TextEncoder) -> None:
    texts = [" ".join(["good"] * (number % 4)) for number in range(2500)]
    assert [len(row) for row in encoder.encode(texts)] == [number % 4 for number in range(2500)]


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (["good", "bad"], r"must begin with '' and '\[UNK\]', not with \('good', 'bad'\)"),
        (["[UNK]", "", "good"], "must begin with"),
        (["", "good"], "must begin with"),
        ([], "must begin with"),
        (["", "[UNK]", "good", "bad", "good"], "the same word twice"),
        (["", "[UNK]", "good", ""], "the same word twice"),
        (["", "[UNK]", "good", "[UNK]"], "the same word twice"),
        (["", "[UNK]"], "cannot be used: .*empty"),
        (["", "[UNK]", "two\nlines"], "line feed or NUL"),
        (["", "[UNK]", "good\x00"], "line feed or NUL"),
        (["", "[UNK]", "\ud800"], "cannot be used"),
    ],
)
def test_unusable_vocabulary(vocabulary: list[str], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        TextEncoder(vocabulary, max_length=3)


@settings(max_examples=6)
@given(
    st.lists(st.lists(st.sampled_from("abcdefgh!"), max_size=9).map(" ".join), min_size=1),
    st.integers(3, 12),
)
def test_vocabulary_holds_the_most_frequent_words(texts: list[str], size: int) -> None:
    counts = Counter(token for text in texts for token in read(text))
    if not counts:
        with pytest.raises(ExportError, match="empty"):
            TextEncoder.from_texts(texts, size, max_length=3)
        return
    padding, unknown, *words = TextEncoder.from_texts(texts, size, max_length=3).vocabulary
    assert (padding, unknown) == ("", "[UNK]")
    assert len(words) == min(size - 2, len(counts))
    frequencies = [counts[word] for word in words]
    assert frequencies == sorted(counts.values(), reverse=True)[: len(words)]
