"""Findings about forecasts: windows drawn, and errors and intervals step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Band, Chart, Element, Finding, Line, Table
from pipeline.error_analysis.measure import Array, numbers

_WINDOWS = {  # by the rank of their error, from 0 to 1
    "A good window": 0.1,
    "A typical window": 0.5,
    "A bad window": 0.9,
    "The worst window": 1.0,
}
_DRAWN = 2  # targets of each window
_INSIDE = 0.8  # of the truth should be between the outer quantiles


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts of test windows; numbers that are not known are NaN.

    Attributes:
        targets: names of the numbers.
        read: what the model read of them, `[windows, window, targets]`.
        last: the last value of each that it read, `[windows, targets]`.
        truth: `[windows, horizon, targets]`.
        predictions: mean and quantiles, `[windows, horizon, targets, 4]`.
        scale: what errors are divided by, `[targets]`.
        unit: of errors.
    """

    targets: Sequence[str]
    read: Array
    last: Array
    truth: Array
    predictions: Array
    scale: Array
    unit: str

    @property
    def off(self) -> Array:
        """The error of the mean at each step, `[windows, horizon, targets]`."""
        found: Array = np.abs(self.predictions[..., 0] - self.truth) / self.scale
        return found

    @property
    def errors(self) -> Array:
        """The mean error of each window."""
        found: Array = np.nanmean(self.off, axis=(1, 2))
        return found


def drawn(
    forecasts: Forecasts, name: Callable[[int], str], times: Callable[[int], Sequence[str]]
) -> Finding:
    """Draw a good, a typical and a bad window, and the worst one.

    Args:
        forecasts: of all test windows.
        name: says which window it is, by its number.
        times: gives the time of each step ahead of a window.
    """
    order = np.argsort(forecasts.errors, kind="stable").tolist()
    charts = [
        _window(forecasts, place, target, f"{kind}, {name(place)}", times(place))
        for kind, rank in _WINDOWS.items()
        for place in [order[round(rank * (len(order) - 1))]]
        for target in range(min(_DRAWN, len(forecasts.targets)))
    ]
    return Finding("Forecasts", charts)


def _window(
    forecasts: Forecasts, place: int, target: int, name: str, times: Sequence[str]
) -> Chart:
    """Draw what was read of a target, how it went on, and the forecast with its interval."""
    read, truth = (each[place, :, target] for each in (forecasts.read, forecasts.truth))
    mean, low, _, high = forecasts.predictions[place, :, target].T
    past = [float(step) for step in range(1 - len(read), 1)]
    ahead = [float(step) for step in range(1, 1 + len(truth))]
    elements: list[Element] = [
        Line("read", past, numbers(read), colour=2),
        Line("true", ahead, numbers(truth), colour=1),
        Band("quantiles 0.1 to 0.9", ahead, numbers(low), numbers(high)),
        Line("mean", ahead, numbers(mean)),
    ]
    known = ~np.isnan(truth)
    inside = (low <= truth) & (truth <= high)
    title = f"{name}: {forecasts.targets[target]}"
    description = (
        f"{title}. {len(read)} steps that were read, and {len(truth)} ahead; the true value is in "
        f"the interval at {inside.sum()} of {known.sum()}."
    )
    rows = [
        [time, "" if np.isnan(true) else f"{true:.5g}", *(f"{each:.5g}" for each in said)]
        for time, true, *said in zip(times, truth, mean, low, high, strict=True)
    ]
    heads = ["time", "true", "mean", "quantile 0.1", "quantile 0.9"]
    table = Table(f"{title}, in numbers", heads, rows, folded=True)
    return Chart(title, description, "step", forecasts.targets[target], elements, table)


def by_step(forecasts: Forecasts) -> Finding:
    """Show error and coverage at each step ahead, beside the error if the last value went on."""
    off, truth, unit = forecasts.off, forecasts.truth, forecasts.unit
    naive = np.abs(forecasts.last[:, None] - truth) / forecasts.scale
    low, high = forecasts.predictions[..., 1], forecasts.predictions[..., 3]
    inside = np.where(np.isnan(truth), np.nan, (low <= truth) & (truth <= high))
    errors, standing, covered = (_at_each_step(each) for each in (off, naive, inside))
    steps = [float(step) for step in range(1, 1 + len(errors))]
    rows = [
        [f"{step:g}", f"{error:.4g}", f"{other:.4g}", f"{share:.3f}"]
        for step, error, other, share in zip(steps, errors, standing, covered, strict=True)
    ]
    heads = ["step ahead", f"mean error, {unit}", "error of the last value", "in the interval"]
    table = Table("Errors and intervals by step ahead", heads, rows, folded=True)

    def said(values: Array) -> str:
        return f"{values[0]:.4g} at the first step, {values[-1]:.4g} at the last"

    title = "Mean error by step ahead"
    error = Chart(
        title,
        f"{title}. The model: {said(errors)}. The last value, if it went on: {said(standing)}.",
        "step ahead",
        f"mean error, {unit}",
        [
            Line("the last value goes on", steps, numbers(standing), dotted=True),
            Line("the model", steps, numbers(errors)),
        ],
    )
    title = "How often the truth is in the interval, by step ahead"
    coverage = Chart(
        title,
        f"{title}: {said(covered)}; {_INSIDE:g} is right.",
        "step ahead",
        "fraction in the interval",
        [
            Line("right", [steps[0], steps[-1]], [_INSIDE, _INSIDE], dotted=True),
            Line("the model", steps, numbers(covered)),
        ],
        table,
    )
    targets = len(forecasts.targets)
    numbers_of = (truth.reshape(-1, targets), forecasts.predictions.reshape(-1, targets, 4))
    return Finding(
        "Errors and intervals",
        [error, coverage, measure.intervals(forecasts.targets, *numbers_of)],
    )


def _at_each_step(values: Array) -> Array:
    """Return the mean at each step of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=(0, 2))
    found: Array = np.where(counts, np.nansum(values, axis=(0, 2)), np.nan) / np.maximum(counts, 1)
    return found
