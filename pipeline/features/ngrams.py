"""Words and bigrams, and how much each of them speaks for a class."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.linear_model import LogisticRegression

from pipeline import models
from pipeline.examples import Examples

Tensor = Any
Integers = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]

SCALE = 0.3  # brings the ratios, most within 3, near the size of other embeddings
_REGULARITY = 30.0  # of the regression, the less the stricter: scikit-learn's C
_AT_ONCE = 2048  # texts
_MOST_FITTED = 16 * _AT_ONCE  # texts that a regression is fitted to
_SPREAD = 31_337  # a prime, so that bigrams of frequent words have rows of their own


class Occurrences(NamedTuple):
    """Where n-grams occur in texts.

    Attributes:
        ids: of the n-gram, each time that it occurs.
        texts: the number of the text that it occurs in.
    """

    ids: Integers
    texts: Integers


@dataclass(frozen=True, eq=False)
class NgramCounts:
    """What the n-grams of texts say for classes.

    Attributes:
        occurrences: finds them, in some texts at a time.
        log_count_ratios: what each id says for the classes, `[ids, 1]` of two classes and
            `[ids, classes]` of more.
    """

    occurrences: Callable[[], Iterator[Occurrences]]
    log_count_ratios: Floats


def words(examples: Examples, size: int, classes: int) -> NgramCounts:
    """Count the words of texts, which are ids below `size`."""
    occurrences = partial(_read, examples)
    return NgramCounts(occurrences, log_count_ratios(occurrences(), examples, size, classes))


def bigrams(examples: Examples, buckets: int, classes: int) -> NgramCounts:
    """Count neighbouring words. They share `buckets`: there are too many for one each."""

    def occurrences() -> Iterator[Occurrences]:
        for ids, texts in _read(examples):
            inside = texts[1:] == texts[:-1]
            yield Occurrences(_bucket(ids[:-1], ids[1:], buckets)[inside], texts[1:][inside])

    return NgramCounts(occurrences, log_count_ratios(occurrences(), examples, buckets, classes))


def log_count_ratios(
    occurrences: Iterable[Occurrences], examples: Examples, size: int, classes: int
) -> Floats:
    """Return log P(id | class) / P(id | not this class) for `size` ids, as `NgramCounts` has them.

    Each id counts once a text, and once more on either side (Wang & Manning, 2012, "Baselines
    and bigrams: simple, good sentiment and topic classification"). Of two classes, the ratio is
    that of the second.
    """
    inside = membership(examples.targets.numpy(), classes).T
    counts, total = np.zeros((len(inside), size)), np.zeros(size, np.int64)
    for ids, texts in occurrences:
        found = np.unique(texts * size + ids)
        texts, ids = found // size, found % size
        counts += [np.bincount(ids, each[texts], minlength=size) for each in inside]
        total += np.bincount(ids, minlength=size)
    own, other = 1 + counts, 1 + total - counts
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

    `inside` is the membership of the training texts. It is fitted to the first 32,768 of them. An
    n-gram counts times its log count ratio, over the root of how many there are. Of more than two
    classes, each has a regression of its own against all others.
    """
    found, neighbours = counts
    inside = inside[:_MOST_FITTED]
    ratios = found.log_count_ratios.shape[1]
    weights: list[list[Floats]] = [[], []]
    intercepts = []
    for place in range(ratios):
        weighted = vstack(list(_weighted(counts, place, len(inside))), format="csr")
        fitted = LogisticRegression(C=_REGULARITY, solver="liblinear", random_state=seed)
        fitted.fit(weighted, inside[:, place])
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


def _read(examples: Examples) -> Iterator[Occurrences]:
    """Find the words of texts."""
    for start in range(0, len(examples), _AT_ONCE):
        stop = min(start + _AT_ONCE, len(examples))
        texts = np.repeat(np.arange(start, stop), examples.lengths[start:stop])
        yield Occurrences(examples.inputs.between(start, stop), texts)


def _weighted(counts: Sequence[NgramCounts], place: int, texts: int) -> Iterator[csr_matrix]:
    """Count the n-grams of each text, times one of their log count ratios, some texts at a time.

    A count is divided by the root of all counts of its text.
    """

    def weighted(found: Occurrences, each: NgramCounts, start: int) -> csr_matrix:
        rows, count = found.texts - start, min(_AT_ONCE, texts - start)
        scales = np.bincount(rows, minlength=count)[rows] ** -0.5
        values = each.log_count_ratios[found.ids, place] * scales
        return csr_matrix((values, (rows, found.ids)), (count, len(each.log_count_ratios)))

    occurrences = zip(*(each.occurrences() for each in counts), strict=True)
    for start, found in zip(range(0, texts, _AT_ONCE), occurrences, strict=False):
        parts = [weighted(some, each, start) for some, each in zip(found, counts, strict=True)]
        yield hstack(parts, format="csr")


def _fixed_sum(ids: Tensor, real: Tensor, weights: Floats, name: str) -> Tensor:
    table = keras.layers.Embedding(*weights.shape, trainable=False, name=name)
    total = models.scaled_sum(table(ids), real)
    table.set_weights([weights])
    return total


def _bucket(first: Any, second: Any, buckets: int) -> Any:
    """Return the bucket of a bigram; in NumPy and in Keras the same."""
    return (first * _SPREAD + second) % buckets
