"""Examples as a model takes them, and the three splits of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.integer[Any]]
Compute = Callable[[Any], Array]


class Ragged(ABC):
    """Arrays `[steps, ...]` that differ in their steps alone.

    It is no `Sequence`, which TensorFlow would take apart.

    Attributes:
        lengths: the steps of each.
        like: an array of their type, `[0, ...]`.
        shape: of all, `(arrays, steps, ...)`; the steps are None unless they have to be the same.
    """

    def __init__(self, lengths: Integers, like: Array, steps: int | None = None) -> None:
        self.lengths = lengths
        self.like = like
        self.shape = (len(lengths), steps, *like.shape[1:])

    @abstractmethod
    def between(self, start: int, stop: int) -> Array:
        """Return the arrays from `start` to before `stop`, one after the other."""

    @property
    def flat(self) -> Array:
        """All arrays, one after the other, `[all steps, ...]`."""
        return self.between(0, len(self))

    def padded(self, rows: Integers) -> Array:
        """Return some of the arrays as one, with zeros after the shorter ones."""
        lengths = self.lengths[rows]
        found = np.zeros((len(rows), lengths.max(initial=0), *self.like.shape[1:]), self.like.dtype)
        for place, (row, length) in enumerate(zip(rows.tolist(), lengths.tolist(), strict=True)):
            found[place, :length] = self[row]
        return found

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[Array]:
        return (self[row] for row in range(len(self)))

    @overload
    def __getitem__(self, row: int) -> Array: ...
    @overload
    def __getitem__(self, row: slice) -> Ragged: ...
    def __getitem__(self, row: int | slice) -> Array | Ragged:
        if isinstance(row, slice):
            start, stop, _ = row.indices(len(self))
            return InMemoryRagged(self.between(start, stop), self.lengths[row], self.shape[1])
        place = range(len(self))[row]
        return self.between(place, place + 1)


class InMemoryRagged(Ragged):
    """Arrays in memory.

    Args:
        values: all of them, one after the other, `[all steps, ...]`.
        lengths: the steps of each.
        steps: of all, if they have to be the same.
    """

    def __init__(self, values: Array, lengths: Any, steps: int | None = None) -> None:
        super().__init__(np.asarray(lengths), values[:0], steps)
        self._values = values
        self._ends = np.cumsum(self.lengths)

    def between(self, start: int, stop: int) -> Array:
        """Return the arrays from `start` to before `stop`, one after the other."""
        if start >= stop:
            return self.like
        return self._values[self._ends[start] - self.lengths[start] : self._ends[stop - 1]]


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs, each with a target and a length: tensors `[examples, ...]`, or `Ragged` arrays.

    Of several inputs, or targets, there is a dictionary, by their names in the model.
    """

    inputs: Any
    targets: Any
    lengths: Integers

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True, eq=False)
class Data:
    """The examples of a task, split. A task keeps what else it needs in a subclass.

    Attributes:
        eval_batch_size: how many examples are tested at once.
    """

    eval_batch_size: ClassVar[int] = 128

    train: Examples
    validation: Examples
    test: Examples
