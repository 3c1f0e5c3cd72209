"""Words and bigrams, and how much each of them speaks for a class."""

from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from pipeline import models
from pipeline.examples import Examples

Tensor = Any
Integers = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]

SCALE = 0.3  # brings the ratios, most within 3, near the size of other embeddings
_REGULARITY = 30.0  # of the regression, the less the stricter: scikit-learn's C
_SPREAD = 31_337  # a prime, so that bigrams of frequent words have rows of their own


class NgramCounts(NamedTuple):
    """Where n-grams occur in texts.

    Attributes:
        ids: of the n-gram, each time that it occurs.
        texts: the number of the text that it occurs in.
        log_count_ratios: what each id says for the classes, `[ids, 1]` of two classes and
            `[ids, classes]` of more.
    """

    ids: Integers
    texts: Integers
    log_count_ratios: Floats


def words(examples: Examples, size: int, classes: int) -> NgramCounts:
    """Count the words of texts, which are ids below `size`."""
    ids, texts = _read(examples)
    return NgramCounts(ids, texts, log_count_ratios(ids, texts, examples, size, classes))


def bigrams(examples: Examples, buckets: int, classes: int) -> NgramCounts:
    """Count neighbouring words. They share `buckets`: there are too many for one each."""
    ids, texts = _read(examples)
    inside = texts[1:] == texts[:-1]
    ids, texts = _bucket(ids[:-1], ids[1:], buckets)[inside], texts[1:][inside]
    return NgramCounts(ids, texts, log_count_ratios(ids, texts, examples, buckets, classes))


def log_count_ratios(
    ids: Integers, texts: Integers, examples: Examples, size: int, classes: int
) -> Floats:
    """Return log P(id | class) / P(id | not this class) for `size` ids, as `NgramCounts` has them.

    Each id counts once a text, and once more on either side (Wang & Manning, 2012, "Baselines
    and bigrams: simple, good sentiment and topic classification"). Of two classes, the ratio is
    that of the second.
    """
    found = np.unique(texts * size + ids)
    texts, ids = found // size, found % size
    inside = membership(examples.targets.numpy(), classes).T
    counts = np.stack([np.bincount(ids, each[texts], minlength=size) for each in inside])
    own, other = 1 + counts, 1 + np.bincount(ids, minlength=size) - counts
    own, other = (each / each.sum(axis=1, keepdims=True) for each in (own, other))
    return np.log(own / other).T


def membership(targets: Integers, classes: int) -> Floats:
    """Return which texts are in the class that each ratio speaks for, `[texts, ratios]`.

    Args:
        targets: the class of each text; or, of several, which it is in, `[texts, classes]`.
        classes: how many there are.
    """
    if targets.ndim > 1:
        return targets.astype(float)
    inside: Floats = np.eye(classes)[targets]
    return inside[:, 1:] if classes == 2 else inside


def sum_of_bigrams(tokens: Tensor, counts: NgramCounts, dropout: float) -> Tensor:
    """Sum weights of all bigrams, which begin as the log count ratios, `[batch, ratios]`."""
    buckets, ratios = counts.log_count_ratios.shape
    table = keras.layers.Embedding(buckets, ratios, name="bigrams")
    weights = table(_bucket(tokens[:, :-1], tokens[:, 1:], buckets))
    table.set_weights([SCALE * counts.log_count_ratios])
    weights = keras.layers.Dropout(dropout, noise_shape=(None, None, 1))(weights)
    return models.scaled_sum(weights, ops.not_equal(tokens[:, 1:], 0))


def regression(
    tokens: Tensor, counts: tuple[NgramCounts, NgramCounts], inside: Floats, *, seed: int
) -> Tensor:
    """Fit a logistic regression on words and bigrams, and return its logits, `[batch, classes]`.

    `inside` is the membership of the training texts. An n-gram counts times its log count ratio,
    over the root of how many there are. Of more than two classes, each has a regression of its own
    against all others.
    """
    found, neighbours = counts
    ratios = found.log_count_ratios.shape[1]
    weights: list[list[Floats]] = [[], []]
    intercepts = []
    for place in range(ratios):
        weighted = [_weighted(each, place, len(inside)) for each in counts]
        fitted = LogisticRegression(C=_REGULARITY, solver="liblinear", random_state=seed)
        fitted.fit(hstack(weighted).tocsr(), inside[:, place])
        parts = np.split(fitted.coef_[0], [len(found.log_count_ratios)])
        for each, part, kept in zip(counts, parts, weights, strict=True):
            kept.append(part * each.log_count_ratios[:, place])
        intercepts.append(float(fitted.intercept_[0]))
    real = ops.not_equal(tokens, 0)
    places = _bucket(tokens[:, :-1], tokens[:, 1:], len(neighbours.log_count_ratios))
    of_words, of_bigrams = (np.stack(each, axis=1) for each in weights)
    odds = (
        _fixed_sum(tokens, real, of_words, "counted_words")
        + _fixed_sum(places, real[:, 1:], of_bigrams, "counted_bigrams")
        + np.array(intercepts, np.float32)
    )
    return odds if ratios > 1 else ops.concatenate([-odds / 2, odds / 2], axis=-1)


def _read(examples: Examples) -> tuple[Integers, Integers]:
    """Return the id of each word of all texts, and the number of its text."""
    texts = np.repeat(np.arange(len(examples)), examples.lengths)
    return examples.inputs.values.numpy().astype("int32"), texts


def _weighted(counts: NgramCounts, place: int, texts: int) -> csr_matrix:
    """Return how often each id is in each of so many texts, times one of its log count ratios.

    A count is divided by the root of all counts of its text.
    """
    scales = np.bincount(counts.texts, minlength=texts)[counts.texts] ** -0.5
    values = counts.log_count_ratios[counts.ids, place] * scales
    shape = (texts, len(counts.log_count_ratios))
    return csr_matrix((values, (counts.texts, counts.ids)), shape)


def _fixed_sum(ids: Tensor, real: Tensor, weights: Floats, name: str) -> Tensor:
    table = keras.layers.Embedding(*weights.shape, trainable=False, name=name)
    total = models.scaled_sum(table(ids), real)
    table.set_weights([weights])
    return total


def _bucket(first: Any, second: Any, buckets: int) -> Any:
    """Return the bucket of a bigram; in NumPy and in Keras the same."""
    return (first * _SPREAD + second) % buckets
