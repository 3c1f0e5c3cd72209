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
    """What is found in reviews, each time it is: its id, below `size`, and its review's number."""

    ids: Integers
    reviews: Integers
    size: int

    def ratios(self, labels: Integers) -> Floats:
        """Return log P(id | positive) / P(id | negative) for every id, from each review's label.

        Each id counts once a review, and once more on either side (Wang & Manning, 2012, "Baselines
        and bigrams: simple, good sentiment and topic classification").
        """
        found = np.unique(self.reviews * self.size + self.ids)
        counts = np.ones((2, self.size))
        np.add.at(counts, (labels[found // self.size], found % self.size), 1)
        negative, positive = counts / counts.sum(axis=1, keepdims=True)
        return np.log(positive / negative)


def words(examples: Examples, size: int) -> Found:
    """Find words in reviews of ids of `size` words."""
    reviews = np.repeat(np.arange(len(examples)), examples.lengths)
    return Found(examples.inputs.values.numpy().astype("int32"), reviews, size)


def pairs(examples: Examples, places: int) -> Found:
    """Find pairs of neighbouring words. They share `places`: there are too many for one each."""
    ids, reviews, _ = words(examples, 0)
    inside = reviews[1:] == reviews[:-1]
    return Found(_place(ids[:-1], ids[1:], places)[inside], reviews[1:][inside], places)


def sum_of_pairs(tokens: Tensor, examples: Examples, places: int, dropout: float) -> Tensor:
    """Sum, over all neighbouring words, a number that begins as how telling the pair is."""
    ratios = pairs(examples, places).ratios(examples.targets.numpy())
    table = keras.layers.Embedding(places, 1, name="pairs")
    numbers = table(_place(tokens[:, :-1], tokens[:, 1:], places))
    table.set_weights([SCALE * ratios[:, None]])
    numbers = keras.layers.Dropout(dropout, noise_shape=(None, None, 1))(numbers)
    return models.scaled_sum(numbers, ops.not_equal(tokens[:, 1:], 0))


def regression(tokens: Tensor, examples: Examples, size: int, places: int, seed: int) -> Tensor:
    """What a regression on counts says for either label, fitted here and left as it is.

    It counts words, of `size` ids, and pairs, each by how telling it is, over the root of how many
    there are.
    """
    found = words(examples, size), pairs(examples, places)
    labels = examples.targets.numpy()
    ratios = [each.ratios(labels) for each in found]
    counts = [_counts(*each, len(examples)) for each in zip(found, ratios, strict=True)]
    fitted = LogisticRegression(C=_REGULARITY, solver="liblinear", random_state=seed)
    fitted.fit(hstack(counts).tocsr(), labels)
    of_words, of_pairs = np.split(fitted.coef_[0] * np.concatenate(ratios), [size])
    real = ops.not_equal(tokens, 0)
    neighbours = _place(tokens[:, :-1], tokens[:, 1:], places)
    odds = (
        _fixed_sum(tokens, real, of_words, "counted_words")
        + _fixed_sum(neighbours, real[:, 1:], of_pairs, "counted_pairs")
        + float(fitted.intercept_[0])
    )
    return ops.concatenate([-odds / 2, odds / 2], axis=-1)


def _counts(found: Found, ratios: Floats, reviews: int) -> csr_matrix:
    """How often each id is in each of so many reviews, times how telling it is.

    A count is divided by the root of all counts of its review.
    """
    scales = np.bincount(found.reviews, minlength=reviews)[found.reviews] ** -0.5
    entries = ratios[found.ids] * scales, (found.reviews, found.ids)
    return csr_matrix(entries, (reviews, found.size))


def _fixed_sum(ids: Tensor, real: Tensor, weights: Floats, name: str) -> Tensor:
    table = keras.layers.Embedding(len(weights), 1, trainable=False, name=name)
    total = models.scaled_sum(table(ids), real)
    table.set_weights([weights[:, None]])
    return total


def _place(first: Any, second: Any, places: int) -> Any:
    """Return the place of a pair of words in a table; in NumPy and in Keras the same."""
    return (first * _SPREAD + second) % places
