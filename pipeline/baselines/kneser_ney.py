"""What counting can predict: a language model by modified Kneser-Ney smoothing."""

import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

_NOWHERE = -1
_FEW = np.array([0.0, 0.5, 1.0, 1.5])  # discounts of a text that is too short to estimate them


class _Runs(NamedTuple):
    """All runs of so many tokens that occur in a text; the place of one is its row here.

    The code of a run is the place of what comes before its last token, among the runs that are one
    shorter, times the number of tokens, plus the last token.

    Attributes:
        codes: they go up.
        shorter: the place of the run without its first token.
        occurrences: how often the run occurs.
    """

    codes: Ids
    shorter: Ids
    occurrences: Ids


class _Level(NamedTuple):
    """What is known about runs of so many tokens.

    Attributes:
        codes: of the runs, as in `_Runs`.
        probabilities: of the last token after the others, by place.
        left: the probability that is left for other tokens, by the place of the run before them.
    """

    codes: Ids
    probabilities: Floats
    left: Floats


class KneserNey:
    """The probability of a token after the `order` - 1 tokens before it.

        P(w | h) = (c(hw) - D(c(hw))) / sum of c(hv) over v  +  left(h) P(w | h without its first)

    For the longest runs c is how often hw occurs, for others how many different tokens occur before
    it. D is a discount for a count of 1, for 2, and for 3 or more, and left(h) what they leave in
    all. With no h left, all tokens are alike. (Chen & Goodman, 1999, "An empirical study of
    smoothing techniques for language modeling".)

    Args:
        ids: the text to count in, tokens from 1 to `size` - 1.
        order: how many tokens are counted together, at most.
        size: the number of tokens, with 0, which none is.
    """

    def __init__(self, ids: Ids, order: int, size: int) -> None:
        self.size = size
        self.levels: list[_Level] = []
        runs = _runs(ids, order, size)
        counts: list[Ids] = [
            np.bincount(longer.shorter, minlength=len(codes))
            for (codes, _, _), longer in itertools.pairwise(runs)
        ]
        counts.append(runs[-1].occurrences)
        probabilities: Floats = np.full(1, 1 / (size - 1))
        for (codes, shorter, _), count in zip(runs, counts, strict=True):
            before = codes // size
            saved = _discounts(count)[np.minimum(count, 3)]
            total = np.bincount(before, count, minlength=len(probabilities))
            saved_before = np.bincount(before, saved, minlength=len(probabilities))
            left = np.where(total > 0, saved_before / np.maximum(total, 1), 1.0)
            kept = (count - saved) / np.maximum(total, 1)[before]
            probabilities = kept + left[before] * probabilities[shorter]
            self.levels.append(_Level(codes, probabilities, left))

    def log_probabilities(self, ids: Ids) -> Floats:
        """Return the logarithm of the probability of each token after those before it."""
        probabilities = np.full(len(ids), 1 / (self.size - 1))
        before = np.zeros(len(ids), np.int64)
        for codes, known, left in self.levels:
            sought = before * self.size + ids
            places = np.minimum(np.searchsorted(codes, sought), len(codes) - 1)
            found = (before != _NOWHERE) & (codes[places] == sought)
            lower = np.where(before != _NOWHERE, left[before], 1.0) * probabilities
            probabilities = np.where(found, known[places], lower)
            before = np.concatenate([[_NOWHERE], np.where(found, places, _NOWHERE)[:-1]])
        return np.log(probabilities)


def _runs(ids: Ids, order: int, size: int) -> list[_Runs]:
    """Find the runs of 1 to `order` tokens, as far as there are so many."""
    found: list[_Runs] = []
    places = np.zeros(len(ids) + 1, np.int64)  # of the runs of the text, by where they begin
    for length in range(1, min(order, len(ids)) + 1):
        codes, longer, occurrences = np.unique(
            places[:-1] * size + ids[length - 1 :], return_inverse=True, return_counts=True
        )
        shorter = np.empty(len(codes), np.int64)
        shorter[longer] = places[1:]
        found.append(_Runs(codes, shorter, occurrences))
        places = longer
    return found


def _discounts(counts: Ids) -> Floats:
    """Estimate what to take off a count of 0, 1, 2, and 3 or more, from how many there are."""
    ones, twos, threes, fours = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if not (ones and twos and threes and fours):
        return _FEW
    first = ones / (ones + 2 * twos)
    second, third = 2 - 3 * first * threes / twos, 3 - 4 * first * fours / threes
    return np.array([0.0, first, np.clip(second, first, 2.0), np.clip(third, first, 3.0)])
