"""Kneser-Ney smoothing, against its formula worked out in plain Python, run by run."""

from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from pipeline.baselines.kneser_ney import KneserNey

Run = tuple[int, ...]
Probability = Callable[[Run, int], float]

SIZE = 1000  # tokens 1 to 999


def written(length: int, seed: int) -> list[int]:
    """A text of few frequent and many rare tokens, where what was said is said again."""
    random = np.random.default_rng(seed)
    text, followers = [1], defaultdict[int, list[int]](list)
    while len(text) < length:
        said = followers[text[-1]]
        if said and random.random() < 0.6:
            token = said[random.integers(len(said))]
        else:
            token = min(int(random.zipf(1.4)), SIZE - 1)
        said.append(token)
        text.append(token)
    return text


def runs(text: list[int], length: int) -> list[Run]:
    return [tuple(text[start : start + length]) for start in range(len(text) - length + 1)]


def discounts(counts: Counter[Run]) -> dict[int, float]:
    """Those for counts of 1, 2 and 3 in the way of Chen and Goodman."""
    n1, n2, n3, n4 = (list(counts.values()).count(count) for count in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    found = {1: 1 - 2 * y * n2 / n1, 2: 2 - 3 * y * n3 / n2, 3: 3 - 4 * y * n4 / n3}
    assert all(0 < found[1] <= found[count] < count for count in (2, 3)), "choose another text"
    return found


def smoothed(text: list[int], order: int) -> Probability:
    """P(token | history) by the formula, for histories of any length."""

    def level(length: int) -> Probability:
        if length == 0:
            return lambda history, token: 1 / (SIZE - 1)
        lower = level(length - 1)
        counts = (
            Counter(runs(text, length))
            if length == order
            else Counter(longer[1:] for longer in set(runs(text, length + 1)))
        )
        less = discounts(counts)
        after: dict[Run, dict[int, int]] = {}
        for (*before, last), count in counts.items():
            after.setdefault(tuple(before), {})[last] = count

        def probability(history: Run, token: int) -> float:
            before = history[len(history) - length + 1 :] if len(history) >= length - 1 else None
            if before not in after:
                return lower(history, token)
            seen = after[before]
            left = sum(less[min(count, 3)] for count in seen.values())
            kept = seen[token] - less[min(seen[token], 3)] if token in seen else 0.0
            return (kept + left * lower(history, token)) / sum(seen.values())

        return probability

    return level(order)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_each_token_has_the_probability_of_the_formula(order: int) -> None:
    known, new = written(2000, seed=2), written(300, seed=2)
    expected = smoothed(known, order)
    found = KneserNey(np.array(known), order, SIZE).log_probabilities(np.array(new))
    for place, token in enumerate(new):
        assert np.exp(found[place]) == pytest.approx(expected(tuple(new[:place]), token))


@pytest.mark.parametrize("length", [2, 5, 40, 1000])
def test_the_probabilities_of_all_tokens_add_up_to_one(length: int) -> None:
    known = [token % 9 + 1 for token in written(length, seed=3)]
    counted = KneserNey(np.array(known), 5, 11)
    for history in ([], [1], [1, 2], [10, 10, 10, 10], known[:-1], known):
        texts = [np.array([*history, token]) for token in range(1, 11)]
        total = sum(np.exp(counted.log_probabilities(text)[-1]) for text in texts)
        assert total == pytest.approx(1.0)
