"""Tables with a step of a sequence in each row."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.data.columns import to_class, to_number
from pipeline.data.table import Fault, OnError, Parse, Split, Table, parsed, reject


def names(listed: str) -> list[str]:
    """Split names of columns with commas between them."""
    return [name.strip() for name in listed.split(",") if name.strip()]


def grouped(
    table: Table,
    by: str,
    numbers: Sequence[str],
    needed: Sequence[str],
    on_error: OnError,
    stepwise: Sequence[str] = (),
) -> Table:
    """Put rows of one sequence together, in their order: a row a sequence.

    Splits share none, even if they use the same name for one.

    Columns of numbers become one, of arrays `[steps, numbers]`, named after all of them. A column
    whose value never changes within a sequence is kept.

    Args:
        table: has a row for each step.
        by: the column that says which sequence a row is a step of.
        numbers: the columns of numbers.
        needed: columns that must not change within a sequence.
        on_error: what to do about rows that cannot be used.
        stepwise: columns that become lists, with a value for each step.

    Raises:
        PipelineError: a column is missing, or a row cannot be used and `on_error` is "stop".
    """
    numeric: dict[str, Parse] = dict.fromkeys(numbers, to_number)
    others = [name for name in table.columns if name not in (by, *numbers)]
    rows = parsed(table, {by: to_class, **numeric, **dict.fromkeys(others, _unchanged)}, on_error)
    steps: dict[tuple[Split | None, str], list[int]] = {}
    for row, name in enumerate(rows.column(by)):
        steps.setdefault((rows.splits[row] if rows.splits else None, name), []).append(row)

    def changes(name: str) -> Iterator[Fault]:
        values = list(rows.column(name))
        for (_, each), found in steps.items():
            for step in found:
                if values[step] != values[found[0]]:
                    here, first = values[step], values[found[0]]
                    reason = f"{name} is {here!r}, and {first!r} in the first row of {each!r}"
                    yield Fault(rows.places[step], reason)

    for name in needed:
        table.column(name)
        reject(list(changes(name)), on_error)
    kept = [
        name
        for name in others
        if name in needed or (name not in stepwise and next(changes(name), None) is None)
    ]
    first = rows.take([found[0] for found in steps.values()])
    columns = {name: first.column(name) for name in (by, *kept)}
    for name in stepwise:
        values = list(rows.column(name))
        columns[name] = [[values[step] for step in found] for found in steps.values()]
    if numbers:
        vectors = np.stack([np.array(rows.column(name), np.float32) for name in numbers], axis=-1)
        columns[", ".join(numbers)] = [vectors[found] for found in steps.values()]
    return replace(first, columns=columns)


def _unchanged(value: Any) -> Any:
    return value
