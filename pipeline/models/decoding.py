"""Sequences out of a model that gives the probability of one symbol after another."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]
Scores = npt.NDArray[np.floating[Any]]
LogProbabilities = Callable[[Integers, Integers], Scores]


class Hypothesis(NamedTuple):
    """A whole sequence, without its start and its end, and its log-probability, end included."""

    symbols: tuple[int, ...]
    score: float


def beam_search(
    log_probabilities: LogProbabilities,
    rows: Sequence[int] | Integers,
    *,
    start: int,
    end: int,
    width: int,
    longest: int,
) -> list[list[Hypothesis]]:
    """Find probable sequences for each of `rows`, the numbers of some examples.

    All rows are searched together. After each symbol, the `width` best hypotheses of a row are
    kept, those that came to their end among them; a row is done once all of its own have. So a
    `width` of 1 is the greedy search, and one of as many sequences as there are misses none.

    Args:
        log_probabilities: takes `prefixes` `[n, steps]`, each from `start` on, and the `rows` `[n]`
            that they belong to; gives the log-probability of each next symbol `[n, symbols]`, which
            is minus infinity where there can be none.
        rows: what `log_probabilities` knows the examples by.
        start: the symbol before the first one.
        end: the symbol after the last one.
        width: hypotheses kept for each row.
        longest: symbols of a sequence, at most, besides its start and its end.

    Returns:
        For each of `rows`, up to `width` hypotheses, the best one first. There are fewer where no
        more are possible.
    """
    rows = np.asarray(rows)
    symbols = np.full((len(rows), width, 1), start)
    scores = np.full((len(rows), width), -np.inf)
    scores[:, 0] = 0.0
    for step in range(longest + 1):
        live = (scores > -np.inf) & ((symbols[:, :, -1] != end) | (step == 0))
        if not live.any():
            break
        gains = log_probabilities(symbols[live], rows[np.nonzero(live)[0]])
        totals = np.full((*live.shape, gains.shape[-1]), -np.inf)
        totals[live] = scores[live][:, None] + gains
        totals[~live, end] = scores[~live]  # what has ended ends again, at no cost
        if step == longest:
            totals[:, :, np.arange(gains.shape[-1]) != end] = -np.inf
        best = _best(totals.reshape(len(rows), -1), width)
        parents, following = np.divmod(best, gains.shape[-1])
        symbols = np.take_along_axis(symbols, parents[:, :, None], axis=1)
        symbols = np.concatenate([symbols, following[:, :, None]], axis=2)
        scores = np.take_along_axis(totals.reshape(len(rows), -1), best, axis=1)
    return [
        [_hypothesis(*pair, end) for pair in zip(*row, strict=True) if pair[1] > -np.inf]
        for row in zip(symbols, scores, strict=True)
    ]


def _best(values: Scores, count: int) -> Integers:
    """The places of the `count` largest numbers of each row, the largest first."""
    places = np.argpartition(-values, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(values, places, axis=1), axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)


def _hypothesis(symbols: Integers, score: float, end: int) -> Hypothesis:
    """Cut `symbols` behind the start and before the first end."""
    inner = symbols[1:].tolist()
    return Hypothesis(tuple(inner[: inner.index(end)]), float(score))
