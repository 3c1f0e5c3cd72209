"""Few combinations of options in which any two values meet."""

from collections.abc import Sequence
from functools import partial
from itertools import combinations, product
from typing import Any

Place = tuple[str, int]  # a factor, and the place of a value among its values


def pairwise(factors: dict[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return rows of values in which each value of each factor meets each of every other."""
    places = {name: [(name, k) for k in range(len(factors[name]))] for name in factors}
    missing = {
        frozenset(pair)
        for names in combinations(factors, 2)
        for pair in product(*(places[name] for name in names))
    }
    rows = []
    while missing:
        row = sorted(min(missing, key=sorted))
        for name in [name for name in factors if name not in dict(row)]:
            row.append(max(places[name], key=partial(_newly_met, row, missing)))
        missing -= set(map(frozenset, combinations(row, 2)))
        chosen = dict(row)
        rows.append({name: factors[name][chosen[name]] for name in factors})
    return rows


def _newly_met(row: list[Place], missing: set[frozenset[Place]], place: Place) -> int:
    return sum(frozenset([place, other]) in missing for other in row)
