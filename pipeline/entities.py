"""Entities in tags that say where one begins and goes on: B-PER, I-PER, O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_TAG = re.compile("O|[BI]-.+")


class Entity(NamedTuple):
    """A span of steps, from `start` to before `end`, of one kind."""

    start: int
    end: int
    kind: str


def are_known(tags: Iterable[str]) -> bool:
    """Say whether `tags` are those of entities, and none of something else."""
    given = {*tags}
    return given > {"O"} and all(map(_TAG.fullmatch, given))


def entities(tags: Sequence[str]) -> Iterator[Entity]:
    """Give the entities of a sentence, by the rule of the CoNLL shared tasks.

    One begins at B, and at an I whose kind is not that of the entity before it. So a sequence of
    tags that is not well-formed has entities, too.
    """
    start, kind = 0, ""
    for place, tag in enumerate([*tags, "O"]):
        _, _, now = tag.partition("-")
        goes_on = tag.startswith("I-") and now == kind
        if kind and not goes_on:
            yield Entity(start, place, kind)
        if not goes_on:
            start, kind = place, now


def score(truth: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> dict[str, float]:
    """Measure precision, recall and F1 of the entities of all sentences.

    An entity is right if its span and its kind are.
    """
    right = known = claimed = 0
    for tags, others in zip(truth, found, strict=True):
        true, predicted = {*entities(tags)}, {*entities(others)}
        right += len(true & predicted)
        known += len(true)
        claimed += len(predicted)
    return {
        "precision": right / claimed if claimed else 0.0,
        "recall": right / known if known else 0.0,
        "f1": 2 * right / (known + claimed) if known + claimed else 0.0,
    }
