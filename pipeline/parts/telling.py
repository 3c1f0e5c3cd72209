"""How telling words, and pairs of neighbouring words, are of the label of a review."""

from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from pipeline import models
from pipeline.batches import Examples

Tensor = Any
Integers = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]

SCALE = 0.3  # brings the ratios, most within 3, near the size of other embeddings
_REGULARITY = 30.0  # of the regression, the less the stricter: scikit-learn's C
_SPREAD = 31_337  # a prime, so that pairs of frequent words have places of their own


class Found(NamedTuple):
    """What is found in reviews: words, or pairs of neighbours.

    Attributes:
        ids: what it is, each time that it is found.
        reviews: the number of the review that it is found in.
        ratios: how telling each id is: `log_count_ratios`.
    """

    ids: Integers
    reviews: Integers
    ratios: Floats


def words(examples: Examples, size: int) -> Found:
    """Find words in reviews of ids of `size` words."""
    ids, reviews = _read(examples)
    return Found(ids, reviews, log_count_ratios(ids, reviews, examples, size))


def pairs(examples: Examples, places: int) -> Found:
    """Find pairs of neighbouring words. They share `places`: there are too many for one each."""
    ids, reviews = _read(examples)
    inside = reviews[1:] == reviews[:-1]
    ids, reviews = _place(ids[:-1], ids[1:], places)[inside], reviews[1:][inside]
    return Found(ids, reviews, log_count_ratios(ids, reviews, examples, places))


def log_count_ratios(ids: Integers, reviews: Integers, examples: Examples, size: int) -> Floats:
    """Return log P(id | positive) / P(id | negative) for the `size` ids that occur in reviews.

    Each id counts once a review, and once more on either side (Wang & Manning, 2012, "Baselines
    and bigrams: simple, good sentiment and topic classification").
    """
    found = np.unique(reviews * size + ids)
    counts = np.ones((2, size))
    np.add.at(counts, (examples.targets.numpy()[found // size], found % size), 1)
    negative, positive = counts / counts.sum(axis=1, keepdims=True)
    return np.log(positive / negative)


def sum_of_pairs(tokens: Tensor, pairs: Found, dropout: float) -> Tensor:
    """Sum, over all neighbouring words, a number that begins as how telling the pair is."""
    places = len(pairs.ratios)
    table = keras.layers.Embedding(places, 1, name="pairs")
    numbers = table(_place(tokens[:, :-1], tokens[:, 1:], places))
    table.set_weights([SCALE * pairs.ratios[:, None]])
    numbers = keras.layers.Dropout(dropout, noise_shape=(None, None, 1))(numbers)
    return models.scaled_sum(numbers, ops.not_equal(tokens[:, 1:], 0))


def regression(
    tokens: Tensor, words: Found, pairs: Found, labels: Integers, *, seed: int
) -> Tensor:
    """What a regression on counts says for either label, fitted here and left as it is.

    It counts words and pairs, each by how telling it is, over the root of how many there are.
    """
    counts = hstack([_counts(found, len(labels)) for found in (words, pairs)]).tocsr()
    fitted = LogisticRegression(C=_REGULARITY, solver="liblinear", random_state=seed)
    fitted.fit(counts, labels)
    of_words, of_pairs = np.split(fitted.coef_[0], [len(words.ratios)])
    real = ops.not_equal(tokens, 0)
    neighbours = _place(tokens[:, :-1], tokens[:, 1:], len(pairs.ratios))
    odds = (
        _fixed_sum(tokens, real, of_words * words.ratios, "counted_words")
        + _fixed_sum(neighbours, real[:, 1:], of_pairs * pairs.ratios, "counted_pairs")
        + float(fitted.intercept_[0])
    )
    return ops.concatenate([-odds / 2, odds / 2], axis=-1)


def _read(examples: Examples) -> tuple[Integers, Integers]:
    """The id of each word of all reviews, and the number of its review."""
    reviews = np.repeat(np.arange(len(examples)), examples.lengths)
    return examples.inputs.values.numpy().astype("int32"), reviews


def _counts(found: Found, reviews: int) -> csr_matrix:
    """How often each id is in each of so many reviews, times how telling it is.

    A count is divided by the root of all counts of its review.
    """
    scales = np.bincount(found.reviews, minlength=reviews)[found.reviews] ** -0.5
    entries = found.ratios[found.ids] * scales, (found.reviews, found.ids)
    return csr_matrix(entries, (reviews, len(found.ratios)))


def _fixed_sum(ids: Tensor, real: Tensor, weights: Floats, name: str) -> Tensor:
    table = keras.layers.Embedding(len(weights), 1, trainable=False, name=name)
    total = models.scaled_sum(table(ids), real)
    table.set_weights([weights[:, None]])
    return total


def _place(first: Any, second: Any, places: int) -> Any:
    """Return the place of a pair of words in a table; in NumPy and in Keras the same."""
    return (first * _SPREAD + second) % places
