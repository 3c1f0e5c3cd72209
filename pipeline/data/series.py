"""Series at equal steps of time, made of the rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.config.forecast import ForecastConfig
from pipeline.data import clock as clocks
from pipeline.data.clock import Clock, to_time
from pipeline.data.columns import to_class, to_number
from pipeline.data.sequences import names
from pipeline.data.table import Fault, OnError, Parse, Split, Table, Unusable, parsed, reject
from pipeline.errors import PipelineError

Array = npt.NDArray[Any]

_MISSING = frozenset({"", "na", "n/a", "nan", "nil", "none", "null"})
_LOOKED_AT = 1000  # values of a column that its kind is read off
_OFF = 0.25  # of the time between two rows: so far off whole steps it may be
_FAULTY = 0.2  # of all rows may be at other times than whole steps, or there twice
_FURTHEST = 2**20  # steps from one row to the next
_USUAL_TIMES = ("time", "timestamp", "datetime", "date", "ds")
_USUAL_TARGETS = ("target", "value", "y")


class Roles(NamedTuple):
    """Which columns of a table are what.

    Attributes:
        time: the time stamps.
        targets: what is forecast.
        past: what else is known until now.
        future: what is known in advance.
        series: which series a row is of; None: all are of one.
    """

    time: str
    targets: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    series: str | None = None

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that are read, in the order of the last axis of `Series.values`."""
        return (*self.targets, *self.past, *self.future)


class Series(NamedTuple):
    """A series at equal steps.

    Attributes:
        name: the value of its column; empty if there is none.
        split: that the data give it; "train" if they give none.
        rows: of the table, one for each step; None where there is none.
        times: when each step is, in the unit of the clock.
        values: `[steps, columns]`; NaN is missing.
    """

    name: str
    split: Split
    rows: Sequence[int | None]
    times: Array
    values: Array

    def has_target(self, roles: Roles) -> Array:
        """Say at which steps a target is known."""
        missing = np.isnan(self.values[:, : len(roles.targets)])
        return np.logical_not(np.all(missing, axis=-1))


class Timed(NamedTuple):
    """All series of a table.

    Attributes:
        table: the rows that are used, with the columns that are read.
        roles: what these columns are.
        clock: of all series.
        series: in the order in which the table begins with them.
        like: a time stamp as the user writes it.
    """

    table: Table
    roles: Roles
    clock: Clock
    series: Sequence[Series]
    like: Any

    def after(self, number: int, step: int, steps: int) -> str:
        """Write the time so many steps after a step of a series that has a row."""
        row = self.series[number].rows[step]
        assert row is not None
        time = self.table.column(self.roles.time)[row]
        return clocks.written(self.clock.after(time, steps), self.like)


def choose(table: Table, config: ForecastConfig) -> Roles:
    """Choose the columns of time and target where the user has not.

    Raises:
        PipelineError: a column that is named is not there or has two roles, or none will do.
    """
    past, future = names(config.past_covariates or ""), names(config.future_covariates or "")
    targets = names(config.target or "")
    named = [*targets, *past, *future, *filter(None, (config.time, config.series_id))]
    for name, count in Counter(named).items():
        table.column(name)
        if count > 1:
            raise PipelineError(f"Column {name!r} is named {count} times: give it one role.")
    time = config.time or _time(table, named)
    targets = targets or [_target(table, [time, *named])]
    return Roles(time, tuple(targets), tuple(past), tuple(future), config.series_id)


def read(table: Table, roles: Roles, on_error: OnError, clock: Clock | None = None) -> Timed:
    """Put the rows of each series in the order of time, at equal steps.

    A step without a row is missing. Splits share no series, even if they use the same name for one.
    The clock is inferred if it is not given.

    Raises:
        PipelineError: a column is missing; or a value cannot be read, a time is there twice, or a
            row is not a whole number of steps after the one before, and `on_error` is "stop"; or
            many rows are not.
    """
    kinds: dict[str, Parse] = {roles.time: to_time, **dict.fromkeys(roles.values, to_reading)}
    if roles.series:
        kinds[roles.series] = to_class
    rows = _comparable(parsed(table, kinds, on_error), roles, on_error)
    times = list(rows.column(roles.time))
    of: dict[tuple[str, Split], list[int]] = {}
    series = list(rows.column(roles.series)) if roles.series else [""] * len(rows)
    given: Sequence[Split] = rows.splits or ["train"] * len(rows)
    for row, key in enumerate(zip(series, given, strict=True)):
        of.setdefault(key, []).append(row)
    if clock is None:
        try:
            clock = clocks.infer([[times[row] for row in found] for found in of.values()])
        except PipelineError as error:
            raise PipelineError(f"{table.name}: {error}. Give two rows or more.") from error
    numbers = [clock.number(time) for time in times]
    faults: list[Fault] = []
    found = []
    values = np.stack([np.array(rows.column(name), np.float32) for name in roles.values], axis=-1)
    for (name, split), members in of.items():
        members.sort(key=numbers.__getitem__)
        placed: dict[int, int] = {}
        for row, place in _placed(rows, roles, clock, numbers, members, faults):
            placed[place] = row
        found.append(_series(name, split, placed, numbers, values))
    if len(faults) > _FAULTY * len(rows):
        raise PipelineError(
            f"{table.name} has no regular step: {len(faults):,} of {len(rows):,} rows are not "
            f"{clock.described} after the one before. {faults[0]}. Put them at equal steps first."
        )
    reject(faults, on_error)
    return Timed(rows, roles, clock, found, table.column(roles.time)[0])


def to_reading(value: Any) -> float:
    """Take a value for a number, or NaN if it is missing.

    Raises:
        Unusable: it is no number, or infinite, or too large.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
        return float("nan")
    if isinstance(value, float) and value != value:
        return value
    return to_number(value)


def _comparable(rows: Table, roles: Roles, on_error: OnError) -> Table:
    """Leave out rows whose times cannot be compared with the first one.

    Raises:
        PipelineError: there is such a row and `on_error` is "stop", or there is no row.
    """
    if not len(rows):
        raise PipelineError(f"{rows.name} has no row that can be used.")
    kinds = list(map(clocks.kind, rows.column(roles.time)))
    faults = {
        row: Fault(place, f"{roles.time} is {kind}, and {kinds[0]} in {rows.places[0]}")
        for row, (place, kind) in enumerate(zip(rows.places, kinds, strict=True))
        if kind != kinds[0]
    }
    reject(list(faults.values()), on_error)
    return rows.take([row for row in range(len(rows)) if row not in faults]) if faults else rows


def _placed(
    rows: Table,
    roles: Roles,
    clock: Clock,
    numbers: Sequence[float],
    members: Sequence[int],
    faults: list[Fault],
) -> Iterator[tuple[int, int]]:
    """Give the rows of a series, in the order of time, with the number of the step of each."""
    before, place = members[0], 0
    yield before, place
    for row in members[1:]:
        apart = (numbers[row] - numbers[before]) / clock.step
        steps = round(apart)
        said, earlier = f"{roles.time} is", rows.places[before]
        if numbers[row] == numbers[before]:
            reason = f"{said} that of {earlier}, too"
            hint = "" if roles.series else "; name the column of several series with --series-id"
            faults.append(Fault(rows.places[row], reason + hint))
        elif abs(apart - steps) > _OFF * apart or steps > _FURTHEST:
            reason = f"{said} {apart:.4g} steps of {clock.described} after {earlier}"
            faults.append(Fault(rows.places[row], reason))
        else:
            before, place = row, place + steps
            yield before, place


def _series(
    name: str, split: Split, placed: Mapping[int, int], numbers: Sequence[float], values: Array
) -> Series:
    """Make a series of rows, by the numbers of their steps."""
    places, members = [*placed], [*placed.values()]
    steps = range(places[-1] + 1)
    filled = np.full((len(steps), values.shape[-1]), np.nan, np.float32)
    filled[places] = values[members]
    times = np.interp(steps, places, [numbers[row] for row in members])
    return Series(name, split, [placed.get(step) for step in steps], times, filled)


def _time(table: Table, named: Sequence[str]) -> str:
    """Choose the column of time stamps: of dates, or with a usual name."""
    able = [name for name in table.columns if name not in named and _all(table, name, to_time)]
    dates = [name for name in able if not _all(table, name, to_number)]
    usual = [name for name in dates or able if name.lower() in _USUAL_TIMES]
    return _only(table, usual or dates, "time stamps", "--time")


def _target(table: Table, named: Sequence[str]) -> str:
    """Choose the column to forecast: of numbers."""
    able = [name for name in table.columns if name not in named and _all(table, name, to_reading)]
    usual = [name for name in able if name.lower() in _USUAL_TARGETS]
    return _only(table, usual or able, "numbers to forecast", "--target")


def _only(table: Table, able: Sequence[str], what: str, option: str) -> str:
    if len(able) == 1:
        return able[0]
    found = f"several columns that may be {what}: {', '.join(able)}" if able else None
    found = found or f"no column of {what}; its columns are {', '.join(table.columns)}"
    raise PipelineError(f"{table.name} has {found}. Name one with {option}.")


def _all(table: Table, name: str, parse: Parse) -> bool:
    """Say whether all of the first values of a column can be parsed."""
    for value in table.columns[name][:_LOOKED_AT]:
        try:
            parse(value)
        except Unusable:
            return False
    return True
