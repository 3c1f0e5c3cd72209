"""The steps of several specs of one input, put together."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np

from pipeline.explain.spec import Array


class Common(NamedTuple):
    """The steps that any of several specs has, and where those of each are among them."""

    steps: Sequence[str]
    places: Sequence[Array]


def common(specs: Sequence[Sequence[str]]) -> Common:
    """Put the steps of all `specs` in one order; those that are alike and follow alike are one.

    So a text of which one reading has the beginning is as long as the longer one.
    """
    first, *others = specs
    found = Common(first, [np.arange(len(first))])
    for other in others:
        steps, (before, own) = _pair(found.steps, other)
        found = Common(steps, [*(before[places] for places in found.places), own])
    return found


def _pair(first: Sequence[str], second: Sequence[str]) -> Common:
    steps: list[str] = []
    places: tuple[list[int], list[int]] = [], []
    matched = SequenceMatcher(None, first, second, autojunk=False)
    for tag, start, stop, other_start, other_stop in matched.get_opcodes():
        here = len(steps)
        steps += first[start:stop]
        if tag != "equal":
            steps += second[other_start:other_stop]
        places[0].extend(range(here, here + stop - start))
        places[1].extend(range(len(steps) - (other_stop - other_start), len(steps)))
    return Common(steps, [np.array(each, int) for each in places])
