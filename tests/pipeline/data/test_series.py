"""Rows of a table become series at equal steps, whatever their order and their gaps."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.forecast import ForecastConfig
from pipeline.data import clock as clocks
from pipeline.data import series
from pipeline.data.clock import Clock, to_time
from pipeline.data.series import Roles, Timed
from pipeline.data.table import Table, Unusable
from pipeline.errors import PipelineError

BEGIN = datetime(2024, 2, 27, 23, 30)
ROLES = Roles("stamp", ("mw",))


def table(times: Sequence[Any], values: Sequence[Any], **more: Sequence[Any]) -> Table:
    columns = {"stamp": times, "mw": values, **more}
    return Table(
        "load.csv", "1", columns, [f"load.csv, row {row + 2}" for row in range(len(times))]
    )


def read(rows: Table, roles: Roles = ROLES, on_error: Any = "stop") -> Timed:
    return series.read(rows, roles, on_error)


steps = st.sets(st.integers(0, 60), min_size=1, max_size=40).map(sorted)
minutes = st.sampled_from([1, 5, 30, 60, 1440])


@given(steps=steps, minutes=minutes, order=st.randoms(use_true_random=False))
def test_any_order_with_any_gaps_is_one_series(steps: list[int], minutes: int, order: Any) -> None:
    begun = [-2, -1, *steps]  # so that one step is the most common, or as common as the shortest
    rows = [(BEGIN + timedelta(minutes=minutes * step), float(step)) for step in begun]
    order.shuffle(rows)
    timed = series.read(
        table([time.isoformat() for time, _ in rows], [str(value) for _, value in rows]),
        ROLES,
        "stop",
        Clock("second", 60.0 * minutes),
    )
    (found,) = timed.series
    expected = np.full((begun[-1] + 3, 1), np.nan, np.float32)
    for step in begun:
        expected[step + 2] = step
    np.testing.assert_array_equal(found.values, expected)
    assert [row is None for row in found.rows] == np.isnan(expected[:, 0]).tolist()
    assert np.allclose(np.diff(found.times), 60 * minutes)
    last = BEGIN + timedelta(minutes=minutes * (begun[-1] + 3))
    assert timed.after(0, len(expected) - 1, 3) == last.isoformat()


@given(
    lengths=st.lists(st.integers(2, 12), min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_series_in_one_table_are_told_apart(lengths: list[int], order: Any) -> None:
    rows = [
        (f"m{meter}", meter * 7 + step, 100 * meter + step)
        for meter, length in enumerate(lengths)
        for step in range(length)
    ]
    order.shuffle(rows)
    meters, times, values = zip(*rows, strict=True)
    timed = read(table(times, values, meter=meters), ROLES._replace(series="meter"))
    assert [each.name for each in timed.series] == [*dict.fromkeys(meters)]
    for each in timed.series:
        meter = int(each.name[1:])
        expected = [[100 * meter + step] for step in range(lengths[meter])]
        np.testing.assert_array_equal(each.values, expected)


@given(place=st.integers(0, 9), copies=st.integers(1, 2))
def test_a_time_that_is_there_twice_is_named_or_left_out(place: int, copies: int) -> None:
    times = [*range(10), *[place] * copies]
    values = [*range(10), *[99] * copies]
    with pytest.raises(PipelineError, match=f"row 12: stamp is that of load.csv, row {place + 2}"):
        read(table(times, values))
    (kept,) = read(table(times, values), on_error="skip").series
    np.testing.assert_array_equal(kept.values[:, 0], np.arange(10))


def test_a_row_between_the_steps_is_named_and_can_be_left_out(
    capfd: pytest.CaptureFixture[str],
) -> None:
    times = [BEGIN + timedelta(minutes=30 * step) for step in range(8)]
    times.insert(3, times[2] + timedelta(minutes=14))
    said = "row 5: stamp is 0.4667 steps of 30 minutes after load.csv, row 4"
    with pytest.raises(PipelineError, match=said):
        read(table(times, range(9)))
    (kept,) = read(table(times, range(9)), on_error="skip").series
    assert kept.values[:, 0].tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert f"Rows left out: 1. load.csv, {said}" in capfd.readouterr().err


def test_times_without_any_step_are_refused_even_if_rows_may_be_left_out() -> None:
    times = np.cumsum([1, 1, 1.3, 0.5, 1.4, 0.6, 1.5, 0.4, 1.3, 1.4]).tolist()
    with pytest.raises(PipelineError, match="has no regular step"):
        read(table(times, range(10)), on_error="skip")


@pytest.mark.parametrize("value", ["", None, "NaN", "nan", " NA ", "null", math.nan])
def test_a_missing_value_is_no_fault(value: Any) -> None:
    (found,) = read(table([1, 2, 3], [1.5, value, "2"])).series
    np.testing.assert_array_equal(found.values[:, 0], np.array([1.5, np.nan, 2], np.float32))


@pytest.mark.parametrize(
    ("value", "said"), [("a lot", "not a number"), ("inf", "not a finite"), ("1e39", "largest")]
)
def test_a_value_that_is_no_number_is_one(value: str, said: str) -> None:
    with pytest.raises(PipelineError, match=rf"load.csv, row 3: mw is .*{said}"):
        read(table([1, 2, 3], [1, value, 2]))


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (["2024-01-01", "soon", "2024-01-03"], "row 3: stamp is 'soon', not a time"),
        (["2024-01-01", "", "2024-01-03"], "row 3: stamp is empty"),
        (["2024-01-01", "7", "2024-01-03"], "row 3: stamp is a number, and a date without a time"),
        (["2024-01-01", "2024-01-02T00:00Z"], "row 3: stamp is a date with a time zone, and"),
        (["2024-01-01"], "no series has two rows with different times"),
        (["0", "1", "2", "1e15"], "row 5: stamp is 1e\\+15 steps of 1 after load.csv, row 4"),
    ],
)
def test_what_is_wrong_with_a_time_is_said(times: list[str], said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        read(table(times, range(len(times))))


@pytest.mark.parametrize(
    ("times", "step", "season", "then"),
    [
        (["2024-01-01T00:00:00", "2024-01-01T00:30:00"], "30 minutes", 48, "2024-01-01T02:00:00"),
        (["2024-01-01 23:00", "2024-01-02 00:00"], "1 hour", 24, "2024-01-02 03:00"),
        (
            ["2024-01-01T00:00:00Z", "2024-01-01T00:05:00Z"],
            "5 minutes",
            288,
            "2024-01-01T00:20:00Z",
        ),
        (["2024-02-27", "2024-02-28"], "1 day", 7, "2024-03-02"),
        (["20240227", "20240228"], "1 day", 7, "20240302"),
        (["2024-01-01", "2024-01-08"], "1 week", 52, "2024-01-29"),
        (["2023-10-31", "2023-11-30"], "1 month", 12, "2024-02-29"),
        (["2024-01-15", "2024-04-15"], "3 months", 4, "2025-01-15"),
        (["1700000000", "1700003600"], "3600", 1, "1700014400"),
        (["1700000000123456", "1700000000223456"], "100000", 1, "1700000000523456"),
        (["0.1", "0.2"], "0.1", 1, "0.5"),
    ],
)
def test_the_step_is_inferred_and_goes_on_as_the_user_writes(
    times: list[str], step: str, season: int, then: str
) -> None:
    timed = read(table(times, [1, 2]))
    assert timed.clock.described == step
    assert timed.clock.season == season
    assert timed.after(0, 1, 3) == then


def test_months_are_steps_however_long_they_are() -> None:
    times = [datetime(2020 + month // 12, 1 + month % 12, 1) for month in range(30)]
    (found,) = read(table(times, range(30))).series
    assert len(found.rows) == 30 and None not in found.rows


def test_times_with_zones_are_compared_as_moments() -> None:
    east, west = timezone(timedelta(hours=2)), timezone(timedelta(hours=-5))
    moments = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(4)]
    times = [each.astimezone((east, west)[row % 2]).isoformat() for row, each in enumerate(moments)]
    (found,) = read(table(times, range(4))).series
    assert found.values[:, 0].tolist() == [0, 1, 2, 3]


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans()))
def test_any_value_is_a_time_or_refused(value: Any) -> None:
    try:
        time = to_time(value)
    except Unusable:
        return
    assert isinstance(time, datetime) or math.isfinite(time)
    assert clocks.kind(time)


def test_columns_are_inferred() -> None:
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    rows = table(days, [1, 2, 3], note=["a", "b", "c"])
    assert series.choose(rows, ForecastConfig(task="forecast")) == ROLES
    more = table(days, [1, 2, 3], wind=[1, 2, 3])
    named = ForecastConfig(task="forecast", past_covariates="wind")
    assert series.choose(more, named) == ROLES._replace(past=("wind",))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "several columns that may be numbers to forecast: mw, wind. Name one with --target."),
        ({"target": "gw"}, "Column 'gw' is not in load.csv; its columns are stamp, mw, wind."),
        ({"target": "mw", "past_covariates": "mw"}, "Column 'mw' is named 2 times"),
        ({"target": "mw,wind", "time": "note"}, "Column 'note' is not in load.csv"),
    ],
)
def test_what_cannot_be_inferred_is_asked_for(settings: dict[str, Any], said: str) -> None:
    rows = table(["2024-01-01", "2024-01-02"], [1, 2], wind=[1, 2])
    with pytest.raises(PipelineError) as error:
        series.choose(rows, ForecastConfig(task="forecast", **settings))
    assert said in str(error.value)


def test_a_table_without_times_says_so() -> None:
    rows = Table("a.csv", "1", {"a": ["x", "y"], "b": ["1", "2"]}, ["row 2", "row 3"])
    with pytest.raises(PipelineError, match=r"a\.csv has no column of time stamps"):
        series.choose(rows, ForecastConfig(task="forecast"))
