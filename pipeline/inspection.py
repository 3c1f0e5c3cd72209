"""`recurrent inspect`: what the columns of a table would be taken for, and what is in them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from pipeline.data import columns, series, splits
from pipeline.data.columns import Chosen, Kind
from pipeline.data.series import Roles
from pipeline.data.splits import Content
from pipeline.data.table import Table, parsed
from pipeline.tables import Sheet

_LISTED = 20  # classes that are listed, the most frequent ones


def overview(table: Table) -> Sheet:
    """Lay out the columns of `table`."""
    rows = [
        [name, each.kind, each.reason, f"{each.empty:,}"]
        for name, each in columns.describe(table).items()
    ]
    return Sheet(["column", "taken for", "because", "empty values"], rows)


def findings(table: Table, chosen: Chosen) -> Iterator[str]:
    """Describe inputs and labels: lengths, balance, repetitions."""
    (target,) = chosen.targets
    wanted: Kind = "labels" if chosen.kind == "words" else "class"
    kinds = {chosen.input: columns.PARSERS[chosen.kind], target: columns.PARSERS[wanted]}
    rows = parsed(table, kinds, "skip")
    inputs, labels = rows.column(chosen.input), rows.column(target)
    lengths, unit = _lengths(chosen.kind, inputs)
    least, median, most, longest = np.quantile(lengths, [0, 0.5, 0.9, 1])
    yield (
        f"{chosen.input}: {least:,.4g} to {longest:,.4g} {unit}, median {median:,.4g}; nine of ten "
        f"have at most {most:,.4g}"
    )
    single = chain.from_iterable(labels) if wanted == "labels" else labels
    counts = Counter(single).most_common()
    shown = ", ".join(f"{name} {count:,}" for name, count in counts[:_LISTED])
    more = f", and {len(counts) - _LISTED} more" if len(counts) > _LISTED else ""
    yield f"{target}: {shown}{more}"
    for name, count in counts:
        if count == 1 and wanted == "class":
            yield f"{target}: {name!r} occurs once, and a class needs two examples"
    of: dict[Content, set[str]] = defaultdict(set)
    for value, label in zip(inputs, labels, strict=True):
        of[splits.content(value)].add(str(label))
    if repeated := len(inputs) - len(of):
        contradicted = sum(len(each) > 1 for each in of.values())
        yield f"rows that repeat the input of another, and are left out of training: {repeated:,}"
        yield f"inputs with several labels: {contradicted:,}"


def findings_in_time(table: Table, time: str) -> Iterator[str]:
    """Describe series: their steps, and the numbers in them.

    Raises:
        PipelineError: the times are not at equal steps.
    """
    known = columns.describe(table)
    numbers = [name for name, each in known.items() if each.numeric and name != time]
    timed = series.read(table, Roles(time, tuple(numbers)), "skip")
    (one,) = timed.series
    steps, missing = len(one.rows), sum(row is None for row in one.rows)
    yield (
        f"{time}: {steps:,} steps of {timed.clock.described}, of which {missing:,} are missing; a "
        f"season is {timed.clock.season:,} steps"
    )
    for name, values in zip(numbers, one.values.T, strict=True):
        unknown = int(np.isnan(values).sum())
        yield (
            f"{name}: {np.nanmin(values):.4g} to {np.nanmax(values):.4g}, mean "
            f"{np.nanmean(values):.4g}; missing at {unknown:,} of {steps:,} steps"
        )


def _lengths(kind: Kind, inputs: Sequence[Any]) -> tuple[list[float], str]:
    """Measure inputs; say in which unit."""
    if kind == "text":
        return [len(text.split()) for text in inputs], "words"
    if kind == "words":
        return [len(words) for words in inputs], "words"
    if kind == "recording":
        return [len(each.samples) / each.rate for each in inputs], "seconds"
    return [len(each) for each in inputs], "steps"
