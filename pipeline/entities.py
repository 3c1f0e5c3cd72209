"""Entities in tags that say where one begins and goes on: B-PER, I-PER, O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import NamedTuple

from exports.answers import Entity, entities

OUTSIDE = "O"
_TAG = re.compile(f"{OUTSIDE}|[BI]-.+")


def are_known(tags: Iterable[str]) -> bool:
    """Say whether `tags` are those of entities, and none of something else."""
    given = {*tags}
    return given > {OUTSIDE} and all(map(_TAG.fullmatch, given))


class Difference(NamedTuple):
    """An entity of the truth that was not found as it is, or one that was found and is not there.

    Attributes:
        error: what is wrong.
        true: the right one, if there is one.
        found: what was found, if something was.
    """

    error: str
    true: Entity | None
    found: Entity | None


def differences(truth: Sequence[str], found: Sequence[str]) -> Iterator[Difference]:
    """Give what is wrong with the entities of a sentence."""
    true, claimed = [*entities(truth)], [*entities(found)]
    for each in true:
        near = next((other for other in claimed if _overlap(each, other)), None)
        if near is None:
            yield Difference("not found", each, None)
        elif each != near:
            span = "" if each[:2] == near[:2] else "span"
            kind = "" if each.kind == near.kind else "kind"
            yield Difference(f"another {' and '.join(filter(None, (span, kind)))}", each, near)
    for each in claimed:
        if not any(_overlap(each, other) for other in true):
            yield Difference("not there", None, each)


def score(truth: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> dict[str, float]:
    """Measure precision, recall and F1 of the entities of all sentences.

    An entity is right if its span and its kind are.
    """
    return _figures(_all(truth), _all(found))


def by_kind(
    truth: Sequence[Sequence[str]], found: Sequence[Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Measure the entities of each kind, and count the `true` ones and those that are `found`."""
    true, claimed = _all(truth), _all(found)
    measured = {}
    for kind in sorted({each.kind for _, each in true | claimed}):
        ours, theirs = (
            {each for each in known if each[1].kind == kind} for known in (true, claimed)
        )
        counts = {"true": len(ours), "found": len(theirs)}
        measured[kind] = {**_figures(ours, theirs), **counts}
    return measured


def _all(sentences: Sequence[Sequence[str]]) -> set[tuple[int, Entity]]:
    """Return all entities, each with the number of its sentence."""
    return {(place, each) for place, tags in enumerate(sentences) for each in entities(tags)}


def _figures(true: Set[tuple[int, Entity]], claimed: Set[tuple[int, Entity]]) -> dict[str, float]:
    right = len(true & claimed)
    return {
        "precision": right / len(claimed) if claimed else 0.0,
        "recall": right / len(true) if true else 0.0,
        "f1": 2 * right / (len(true) + len(claimed)) if true or claimed else 0.0,
    }


def _overlap(one: Entity, other: Entity) -> bool:
    return one.start < other.end and other.start < one.end
