"""Requests as one batch, and its outputs as their answers."""

import abc
import itertools
import math
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

import numpy as np

from exports.parity.compare import ABSOLUTE, RELATIVE
from exports.runtime.predictor import Prediction, Predictor
from exports.signature import Arrays, Signature

Given = TypeVar("Given")
Answer = TypeVar("Answer")

_NEAR = 32  # steps that rows may differ by: padding them further costs more than a batch saves


class Batching(abc.ABC, Generic[Given, Answer]):
    """How requests are run together so that each gets the answer that it would get alone."""

    @abc.abstractmethod
    def rows(self, given: Given) -> int:
        """Return how many rows a request has."""

    @abc.abstractmethod
    def length(self, given: Given) -> int:
        """Return the length of the longest row: memory grows with it times the rows."""

    @abc.abstractmethod
    def values(self, given: Given) -> int:
        """Return how many numbers the outputs have, or a few more."""

    @abc.abstractmethod
    def kind(self, given: Given) -> Hashable:
        """Return what requests have in common that may be run together."""

    @abc.abstractmethod
    def run(self, requests: Sequence[Given]) -> list[Answer]:
        """Answer requests of one kind, of one row or more.

        Raises:
            ExportError: if the model does not take one of them.
        """


class Texts(Batching[list[str], list[Prediction]]):
    """Lists of texts.

    Args:
        predictor: answers.
        padded: whether padding changes none of its answers; if it does, each list is run alone.
    """

    def __init__(self, predictor: Predictor, *, padded: bool) -> None:
        self._predictor = predictor
        self._padded = padded

    def rows(self, given: list[str]) -> int:  # noqa: D102
        return len(given)

    def length(self, given: list[str]) -> int:  # noqa: D102
        return max(map(len, given), default=0)

    def values(self, given: list[str]) -> int:  # noqa: D102
        text = self._predictor.artifact.config.text
        return values(self._predictor.signature, len(given), text.max_length) if text else 0

    def kind(self, given: list[str]) -> Hashable:  # noqa: D102
        words = max(text.count(" ") for text in given)
        return ("words", words // _NEAR) if self._padded else id(given)

    def run(self, requests: Sequence[list[str]]) -> list[list[Prediction]]:  # noqa: D102
        predictions = iter(self._predictor.predict_text(list(itertools.chain(*requests))))
        return [list(itertools.islice(predictions, len(texts))) for texts in requests]


class Inputs(Batching[Arrays, Arrays]):
    """Arrays by name.

    Args:
        predictor: answers.
        padded: whether padding changes none of its answers; if it does, only arrays of one shape
            are joined.
    """

    def __init__(self, predictor: Predictor, *, padded: bool) -> None:
        self._predictor = predictor
        self._padded = padded

    def rows(self, given: Arrays) -> int:  # noqa: D102
        return len(next(iter(given.values())))

    def length(self, given: Arrays) -> int:
        """Return the sizes of the free axes but the first, multiplied, of the largest input."""
        free = {
            array.name: [axis for axis, size in enumerate(array.shape) if axis and size is None]
            for array in self._predictor.signature.inputs
        }
        return max(math.prod(given[name].shape[axis] for axis in free[name]) for name in given)

    def values(self, given: Arrays) -> int:  # noqa: D102
        return values(self._predictor.signature, self.rows(given), self.length(given))

    def kind(self, given: Arrays) -> Hashable:  # noqa: D102
        if self._predictor.signature.batch is not None:  # as many rows as one request has
            return id(given)
        shapes = [values.shape[1:] for values in given.values()]
        return ("steps", shapes[0][0] // _NEAR) if self._padded else tuple(shapes)

    def run(self, requests: Sequence[Arrays]) -> list[Arrays]:  # noqa: D102
        stacked = {name: _stacked([given[name] for given in requests]) for name in requests[0]}
        outputs = self._predictor.predict(stacked)
        ends = itertools.accumulate(map(self.rows, requests))
        places = itertools.starmap(slice, itertools.pairwise([0, *ends]))
        return [{name: values[place] for name, values in outputs.items()} for place in places]


def values(signature: Signature, rows: int, steps: int) -> int:
    """Return how many numbers the outputs have for so many rows and steps."""
    return sum(
        rows
        * math.prod(size or 1 for size in array.shape[1:])
        * (steps if None in array.shape[1:] else 1)
        for array in signature.outputs
    )


def takes_padding(predictor: Predictor) -> bool:
    """Tell whether zeros behind the ids of a row change none of its outputs.

    They do not where every layer follows the mask. The recorded examples are run with and without.
    """
    if not _are_ids(predictor.signature):
        return False
    request = predictor.artifact.request
    (ids,) = predictor.signature.name_inputs(request).values()
    alone = predictor.predict(ids)
    padded = predictor.predict(np.pad(ids, [(0, 0), (0, _NEAR)]))
    return all(np.allclose(padded[name], alone[name], RELATIVE, ABSOLUTE) for name in alone)


def _are_ids(signature: Signature) -> bool:
    """Tell whether the input is `[batch, time]` of integers, and no output has a free axis more."""
    shapes = [(array.shape, "int" in array.dtype) for array in signature.inputs]
    return shapes == [((None, None), True)] and all(
        None not in array.shape[1:] for array in signature.outputs
    )


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Put rows below each other, with zeros behind those that are shorter."""
    _, *longest = np.max([values.shape for values in arrays], axis=0)
    stacked = np.zeros((sum(map(len, arrays)), *longest), arrays[0].dtype)
    for place, row in zip(stacked, itertools.chain(*arrays), strict=True):
        place[tuple(map(slice, row.shape))] = row
    return stacked
