"""Sequences out of a model that gives the probability of one symbol after another."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]
Scores = npt.NDArray[np.floating[Any]]
Step = Callable[[Integers, Integers, Any], tuple[Scores, Any]]


class Hypothesis(NamedTuple):
    """A whole sequence, without its start and its end, and its log-probability, end included."""

    symbols: tuple[int, ...]
    score: float


def beam_search(
    step: Step,
    states: Any,
    rows: int,
    *,
    start: int,
    end: int,
    width: int,
    longest: int,
    length_penalty: float = 0.0,
) -> list[list[Hypothesis]]:
    """Find probable sequences for each of so many `rows`.

    All rows are searched together. After each symbol, the `width` most probable hypotheses of a row
    are kept, those that came to their end among them; a row is done once all of its own have. So a
    `width` of 1 is the greedy search, and one of as many sequences as there are misses none.

    Args:
        step: takes the last `symbols` `[n]` of some hypotheses, their `parents` `[n]` and the
            states of all parents: those that it returned last, or at first `states`. It returns
            the log-probability of each next symbol `[n, symbols]`, minus infinity where there can
            be none, and the states of these hypotheses, one after the other.
        states: of the rows, before the first symbol; the parents are the numbers of the rows.
        rows: how many there are.
        start: the symbol before the first one.
        end: the symbol after the last one.
        width: hypotheses kept for each row.
        longest: symbols of a sequence, at most, besides its start and its end.
        length_penalty: alpha in score / length ** alpha, by which whole sequences are ordered; the
            end counts for the length (Wu et al., 2016, "Google's neural machine translation
            system", without its constant). At 0, they are ordered by their probability.

    Returns:
        For each row, up to `width` hypotheses, the best one first. There are fewer where no more
        are possible.
    """
    symbols = np.full((rows, width, 1), start)
    scores = np.full((rows, width), -np.inf)
    scores[:, 0] = 0.0
    places = np.repeat(np.arange(rows)[:, None], width, axis=1)  # of their parents in `states`
    for number in range(longest + 1):
        live = (scores > -np.inf) & ((symbols[:, :, -1] != end) | (number == 0))
        if not live.any():
            break
        gains, states = step(symbols[live][:, -1], places[live], states)
        totals = np.full((*live.shape, gains.shape[-1]), -np.inf)
        totals[live] = scores[live][:, None] + gains
        totals[~live, end] = scores[~live]  # what has ended ends again, at no cost
        if number == longest:
            totals[:, :, np.arange(gains.shape[-1]) != end] = -np.inf
        places[live] = np.arange(len(gains))
        best = _best(totals.reshape(rows, -1), width)
        parents, following = np.divmod(best, gains.shape[-1])
        symbols = np.take_along_axis(symbols, parents[:, :, None], axis=1)
        symbols = np.concatenate([symbols, following[:, :, None]], axis=2)
        scores = np.take_along_axis(totals.reshape(rows, -1), best, axis=1)
        places = np.take_along_axis(places, parents, axis=1)

    def rank(hypothesis: Hypothesis) -> float:
        return hypothesis.score / (1 + len(hypothesis.symbols)) ** length_penalty

    return [
        sorted(
            (_hypothesis(*pair, end) for pair in zip(*row, strict=True) if pair[1] > -np.inf),
            key=rank,
            reverse=True,
        )
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
