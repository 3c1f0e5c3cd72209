"""Raw examples as a source gives them: a row each, with the place that it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, get_args

from pipeline.data import views
from pipeline.data.views import View
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError
from pipeline.messages import say

OnError = Literal["stop", "skip"]
Split = Literal["train", "validation", "test"]
Parse = Callable[[Any], Any]

_SHOWN = 3  # faults that are told in full when rows are left out


class Unusable(ValueError):
    """A value that a column of its kind cannot hold; the message says what it is instead."""


class Fault(NamedTuple):
    """A row that cannot be used: where it is, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a data set.

    Columns may be made as they are read: hold what is needed again and again.

    Attributes:
        name: of the file or the data set.
        version: changes when any value does.
        columns: the values of each column, by its name.
        places: where each row is, such as "tickets.csv, row 17".
        classes: names of the classes of a column, where the source declares them in order.
        splits: the split of each row, where the source declares it.
        running: reads the text that the rows are the lines of, if they are of a text file.
    """

    name: str
    version: str
    columns: Mapping[str, Sequence[Any]]
    places: Sequence[str]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    splits: Sequence[Split] | None = None
    running: Callable[[], str] | None = None

    def __len__(self) -> int:
        return len(self.places)

    def column(self, name: str) -> Sequence[Any]:
        """Return the values of a column.

        Raises:
            PipelineError: there is no such column.
        """
        if name not in self.columns:
            known = ", ".join(self.columns)
            raise PipelineError(f"Column {name!r} is not in {self.name}; its columns are {known}.")
        return self.columns[name]

    def take(self, rows: Sequence[int]) -> Table:
        """Return these rows alone."""
        return replace(
            self,
            columns={name: views.taken(values, rows) for name, values in self.columns.items()},
            places=views.taken(self.places, rows),
            splits=self.splits and [self.splits[row] for row in rows],
        )


def parsed(table: Table, kinds: Mapping[str, Parse], on_error: OnError) -> Table:
    """Return `table` with the columns in `kinds` alone, each value parsed whenever it is read.

    Raises:
        PipelineError: a column is missing; or a value cannot be parsed and `on_error` is "stop".
    """
    faults: dict[int, Fault] = {}
    with spinner(f"Checking {table.name}"):
        for name, parse in kinds.items():
            for row, value in enumerate(table.column(name)):
                try:
                    parse(value)
                except Unusable as error:
                    faults.setdefault(row, Fault(table.places[row], f"{name} {error}"))
    reject(list(faults.values()), on_error)
    whole = table.take([row for row in range(len(table)) if row not in faults]) if faults else table
    columns = {name: View(whole.column(name), parse) for name, parse in kinds.items()}
    return replace(whole, columns=columns)


def reject(faults: Sequence[Fault], on_error: OnError) -> None:
    """Stop at the first fault, or say what is left out.

    Raises:
        PipelineError: there is a fault and `on_error` is "stop".
    """
    if faults and on_error == "stop":
        others = f" ({len(faults) - 1:,} more like it)" if len(faults) > 1 else ""
        raise PipelineError(f"{faults[0]}{others}. Correct it, or pass --on-error skip.")
    if faults:
        shown = "; ".join(map(str, faults[:_SHOWN]))
        more = "; ..." if len(faults) > _SHOWN else ""
        say(f"Rows left out: {len(faults):,}. {shown}{more}")


def joined(tables: Mapping[Split, Table]) -> Table:
    """Put tables of the same columns together; each is one split.

    Raises:
        PipelineError: one lacks a column of the first.
    """
    first, *_ = tables.values()
    return replace(
        first,
        version=" ".join(table.version for table in tables.values()),
        columns={
            name: views.joined([table.column(name) for table in tables.values()])
            for name in first.columns
        },
        places=views.joined([table.places for table in tables.values()]),
        splits=[split for split, table in tables.items() for _ in range(len(table))],
    )


def to_split(value: Any) -> Split:
    """Take a value for the name of a split.

    Raises:
        Unusable: it is none.
    """
    if value not in get_args(Split):
        raise Unusable(f"is {value!r}, not train, validation or test")
    split: Split = value
    return split
