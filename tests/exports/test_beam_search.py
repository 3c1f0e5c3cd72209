"""Beam search: held to all sequences there are, on small random models."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from exports.runtime.generation import Hypothesis, beam_search

START, END, SYMBOLS, LONGEST = 0, 1, 5, 4
Symbols = tuple[int, ...]


class RandomModel:
    """Log-probabilities that depend on the example and on the whole prefix."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.asked: list[tuple[int, int]] = []

    def next(self, prefix: Symbols, row: int) -> np.ndarray:
        values = np.random.default_rng([self.seed, row, *prefix]).normal(size=SYMBOLS) * 2
        values[START] = -np.inf
        return values - np.logaddexp.reduce(values)

    def __call__(self, prefixes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        assert prefixes.ndim == 2 and rows.shape == (len(prefixes),)
        self.asked.append(prefixes.shape)
        pairs = zip(prefixes.tolist(), rows.tolist(), strict=True)
        return np.stack([self.next(tuple(prefix), row) for prefix, row in pairs])


def score(model: RandomModel, row: int, symbols: Symbols) -> float:
    whole = (START, *symbols, END)
    return sum(model.next(whole[:at], row)[whole[at]] for at in range(1, len(whole)))


def all_sequences() -> Iterator[Symbols]:
    for length in range(LONGEST + 1):
        yield from itertools.product(range(2, SYMBOLS), repeat=length)


def found_by(
    log_probabilities: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rows: Sequence[int],
    *,
    start: int = START,
    end: int = END,
    **options: Any,
) -> list[list[Hypothesis]]:
    """Search with prefixes as the states."""

    def step(symbols: np.ndarray, parents: np.ndarray, states: Any) -> tuple[np.ndarray, Any]:
        asked, prefixes = (each[parents] for each in states)
        prefixes = np.column_stack([prefixes, symbols])
        return log_probabilities(prefixes, asked), (asked, prefixes)

    states = (np.array(rows, int), np.empty((len(rows), 0), int))
    return beam_search(step, states, len(rows), start=start, end=end, **options)


def search(model: RandomModel, rows: list[int], width: int) -> list[list[Hypothesis]]:
    return found_by(model, rows, width=width, longest=LONGEST)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_holds_everything_finds_all_sequences_in_their_order(seed: int) -> None:
    model, rows = RandomModel(seed), [7, 3, 7]
    sequences = list(all_sequences())
    found = search(model, rows, width=2 * len(sequences))
    for row, hypotheses in zip(rows, found, strict=True):
        expected = sorted(sequences, key=lambda each: -score(model, row, each))
        assert [each.symbols for each in hypotheses] == expected
        scores = [score(model, row, each) for each in expected]
        np.testing.assert_allclose([each.score for each in hypotheses], scores)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_takes_the_best_symbol_at_every_step(seed: int) -> None:
    model = RandomModel(seed)
    prefix: Symbols = (START,)
    while len(prefix) <= LONGEST and (symbol := int(model.next(prefix, 2).argmax())) != END:
        prefix = (*prefix, symbol)
    ((found,),) = search(model, [2], width=1)
    assert found.symbols == prefix[1:]
    assert found.score == pytest.approx(score(model, 2, prefix[1:]))


def test_scores_are_those_of_the_sequences_and_a_wider_beam_finds_better_ones() -> None:
    model, rows = RandomModel(0), list(range(200))
    best = {}
    for width in (1, 3, 10):
        found = search(model, rows, width)
        for row, hypotheses in zip(rows, found, strict=True):
            scores = [each.score for each in hypotheses]
            assert len(set(hypotheses)) == width and scores == sorted(scores, reverse=True)
            exact = [score(model, row, each.symbols) for each in hypotheses]
            np.testing.assert_allclose(scores, exact)
        best[width] = sum(hypotheses[0].score for hypotheses in found)
    assert best[1] < best[3] < best[10]


def test_an_example_is_found_the_same_alone_and_among_others() -> None:
    model = RandomModel(4)
    together = search(model, [5, 6, 7], width=3)
    assert [search(model, [row], width=3)[0] for row in (5, 6, 7)] == together


def test_the_model_is_asked_about_unfinished_hypotheses_only() -> None:
    model = RandomModel(1)
    found = search(model, list(range(50)), width=4)
    assert model.asked[0] == (50, 1)
    assert [steps for _, steps in model.asked] == list(range(1, len(model.asked) + 1))
    asked = sum(count for count, _ in model.asked)
    unfinished = {
        (row, each.symbols[:length])
        for row, hypotheses in enumerate(found)
        for each in hypotheses
        for length in range(len(each.symbols) + 1)
    }
    assert len(unfinished) <= asked < 50 * (1 + 4 * LONGEST)


def test_what_is_impossible_is_not_found() -> None:
    def only_two_then_end(prefixes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        allowed = np.full((len(prefixes), SYMBOLS), -np.inf)
        allowed[:, 2 if prefixes.shape[1] == 1 else END] = 0.0
        return allowed

    (found,) = found_by(only_two_then_end, [0], width=3, longest=5)
    assert found == [((2,), 0.0)]
    assert found_by(only_two_then_end, [0], width=3, longest=0) == [[]]


def test_start_and_end_may_be_one_symbol() -> None:
    def two_then_end(prefixes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.log(np.tile([0.4, 0.0, 0.6], (len(prefixes), 1)) + 1e-9)

    (found,) = found_by(two_then_end, [0], start=0, end=0, width=2, longest=2)
    assert found[0].symbols == () and found[0].score == pytest.approx(np.log(0.4))


def test_nothing_to_decode_is_no_error() -> None:
    assert search(RandomModel(0), [], width=3) == []


def test_long_sequences_win_where_length_counts_less() -> None:
    """Ending at once has 0.5; two symbols and the end have 0.405, which is 0.74 for each."""

    def two_twice(prefixes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        likely = {1: [0.0, 0.5, 0.5], 2: [0.0, 0.1, 0.9]}.get(prefixes.shape[1], [0.0, 0.9, 0.1])
        return np.log(np.tile(likely, (len(prefixes), 1)) + 1e-12)

    def best(length_penalty: float) -> Symbols:
        ((first, *_),) = found_by(two_twice, [0], width=4, longest=4, length_penalty=length_penalty)
        return first.symbols

    assert best(0.0) == () and best(1.0) == (2, 2)
