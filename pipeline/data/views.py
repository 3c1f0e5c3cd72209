"""Sequences whose items are made when they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class View(Sequence[T], Generic[T]):
    """What a function makes of each item of another sequence, again whenever it is asked for.

    Args:
        of: the other sequence.
        function: makes an item of one of those.
    """

    def __init__(self, of: Sequence[Any], function: Callable[[Any], T]) -> None:
        self._of = of
        self._function = function

    def __len__(self) -> int:
        return len(self._of)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> View[T]: ...
    def __getitem__(self, place: int | slice) -> T | View[T]:
        if isinstance(place, slice):
            return View(range(len(self))[place], self.__getitem__)
        return self._function(self._of[place])

    def __iter__(self) -> Iterator[T]:
        return map(self._function, self._of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment]


def taken(values: Sequence[T], rows: Sequence[int]) -> View[T]:
    """View these rows of `values` alone."""
    return View(rows, values.__getitem__)


def joined(parts: Sequence[Sequence[T]]) -> Sequence[T]:
    """View sequences as one."""
    ends = list(accumulate(map(len, parts)))

    def item(place: int) -> T:
        part = bisect_right(ends, place)
        return parts[part][place - ends[part]]

    return View(range(ends[-1]), item) if len(parts) > 1 else parts[0]


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give so many items at a time."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
