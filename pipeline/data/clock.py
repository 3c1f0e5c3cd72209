"""Time stamps: what they say, the step between them, and those that come next."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from pipeline.data.table import Unusable
from pipeline.errors import PipelineError

Time = datetime | float
Unit = Literal["number", "second", "month"]

_DAY = 86_400
_SECONDS = {"week": 7 * _DAY, "day": _DAY, "hour": 3600, "minute": 60, "second": 1}
_MONTHS_IN_YEAR = 12
_TO_MINUTES = len("2024-01-31T18:30")
_SHORTEST_MONTH = 28  # days


class Clock(NamedTuple):
    """How time stamps follow each other.

    Attributes:
        unit: what they count: seconds or months if they are dates, else a number without a unit.
        step: from one to the next, in this unit.
    """

    unit: Unit
    step: float

    def number(self, time: Time) -> float:
        """Say when `time` is, in the unit."""
        if not isinstance(time, datetime):
            return time
        if self.unit == "month":
            return _MONTHS_IN_YEAR * time.year + time.month
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

    def after(self, time: Time, steps: int) -> Time:
        """Return the time that comes so many steps after `time`.

        Raises:
            PipelineError: no calendar goes that far.
        """
        if not isinstance(time, datetime):
            return time + steps * self.step
        try:
            if self.unit == "second":
                return time + timedelta(seconds=steps * self.step)
            return _months_later(time, round(steps * self.step))
        except (OverflowError, ValueError) as error:
            raise PipelineError(f"{steps} steps after {time} are beyond the calendar") from error

    @property
    def described(self) -> str:
        """The step in words."""
        if self.unit == "number":
            return f"{self.step:g}"
        if self.unit == "month":
            return _counted(round(self.step), "month")
        name = next((name for name, size in _SECONDS.items() if self.step % size == 0), None)
        return _counted(self.step / _SECONDS[name], name) if name else f"{self.step:g} seconds"

    @property
    def season(self) -> int:
        """So many steps are a year of months, a week of days, or else a day; 1 if none fits."""
        year = {"month": _MONTHS_IN_YEAR, "second": 364 * _DAY, "number": 0}[self.unit]
        week = 7 * _DAY if self.unit == "second" else 0
        day = _DAY if self.unit == "second" else 0
        for length in (day, week, year):
            if length >= 2 * self.step and length % self.step == 0:
                return round(length / self.step)
        return 1


def to_time(value: Any) -> Time:
    """Take a value for a time: a date as ISO 8601 has it, or a number.

    Raises:
        Unusable: it is neither.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    text = "" if value is None else str(value).strip()
    if not text:
        raise Unusable("is empty")
    try:
        is_day = len(text) == len("20240131") and text.isdecimal()
        number = None if is_day else float(text)
    except ValueError:
        number = None
    if number is not None and abs(number) < float("inf"):
        return number
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise Unusable(f"is {value!r}, not a time: write 2024-01-31T18:30 or a number") from error


def kind(time: Time) -> str:
    """Say what `time` is; times of several kinds have no order."""
    if not isinstance(time, datetime):
        return "a number"
    return "a date with a time zone" if time.tzinfo else "a date without a time zone"


def infer(series: Sequence[Sequence[Time]]) -> Clock:
    """Infer the clock of several series: its step is the most common one.

    Raises:
        PipelineError: no series has two different times.
    """
    times = [time for each in series for time in each]
    if not isinstance(times[0], datetime):
        unit: Unit = "number"
    else:
        unit = "month" if _are_months(times) else "second"
    clock = Clock(unit, 1.0)
    steps = Counter(
        float(f"{later - earlier:.9g}")
        for each in series
        for earlier, later in pairwise(sorted(map(clock.number, each)))
        if later > earlier
    )
    if not steps:
        raise PipelineError("no series has two rows with different times")
    most = max(steps.values())
    return clock._replace(step=min(step for step, count in steps.items() if count == most))


def written(time: Time, like: Any) -> str:
    """Write a time as the value `like` of a table is written."""
    if not isinstance(time, datetime):
        return str(int(time)) if time.is_integer() else f"{time:.15g}"
    shown = str(like)
    if len(shown) <= len("2024-01-31") and not (time.hour or time.minute or time.second):
        text = time.date().isoformat()
        return text if "-" in shown else text.replace("-", "")
    to_minutes = shown[_TO_MINUTES : _TO_MINUTES + 1] != ":" and not time.second
    text = time.isoformat("T" if "T" in shown else " ", "minutes" if to_minutes else "auto")
    return text.replace("+00:00", "Z") if shown.endswith("Z") else text


def _are_months(times: Iterable[Any]) -> bool:
    """Say whether dates are all on one day of the month, or all on the last one."""
    known = set(times)
    clocks = {time.timetz() for time in known}
    last = all(time.day == _last_day(time.year, time.month) for time in known)
    apart = (later - earlier for earlier, later in pairwise(sorted(known)))
    return (
        len(clocks) == 1
        and (last or len({time.day for time in known}) == 1)
        and all(each >= timedelta(days=_SHORTEST_MONTH) for each in apart)
    )


def _months_later(time: datetime, months: int) -> datetime:
    year, month = divmod(_MONTHS_IN_YEAR * time.year + time.month - 1 + months, _MONTHS_IN_YEAR)
    last = _last_day(year, month + 1)
    is_last = time.day == _last_day(time.year, time.month)
    return time.replace(year=year, month=month + 1, day=last if is_last else min(time.day, last))


def _last_day(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _counted(number: float, name: str) -> str:
    return f"1 {name}" if number == 1 else f"{number:g} {name}s"
