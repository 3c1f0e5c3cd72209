"""Many to one, ahead: how series of numbers go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import msgspec
import numpy as np
import numpy.typing as npt
from keras import ops

import exports
from exports.directions import Directions
from pipeline import batches, distribution, models
from pipeline.baselines import Baseline
from pipeline.baselines import forecast as baselines
from pipeline.config.forecast import ForecastConfig
from pipeline.data import labelled, series, sources
from pipeline.data.clock import Clock
from pipeline.data.sequences import names
from pipeline.data.series import Roles, Timed
from pipeline.data.table import Fault, Table, reject
from pipeline.data.waiting import spinner
from pipeline.distribution import DistributionLoss
from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Finding
from pipeline.error_analysis.forecasts import Forecasts, by_step, drawn
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Examples
from pipeline.explain.spec import Array, Explained, ExplainSpec, Vectors, mean_of
from pipeline.features import windows
from pipeline.features.windows import Cut, Places, Windows
from pipeline.messages import say
from pipeline.schema import Columns, OfSeries
from pipeline.tasks.base import DataTask, Metrics, Prediction, Run
from pipeline.tasks.shared import typed_inputs
from pipeline.tasks.shared.inputs import known_columns

_BETTER: Directions = {
    **distribution.BETTER,
    "mase": "lower",
    "mae_halfway": "lower",
    "mae_at_the_end": "lower",
}
_COMPARED = 1000  # test windows that the exported formats are compared on, at most
_LISTED = 6  # numbers of a forecast that are listed for a reader


class Asked(NamedTuple):
    """Windows that the user asks about.

    Attributes:
        name: what to call them.
        timed: the series that they are of.
        ahead: where the forecasts begin.
    """

    name: str
    timed: Timed
    ahead: Places


class Forecast(DataTask[ForecastConfig, Cut]):
    """Tells how series of numbers go on: mean and quantiles of each step ahead."""

    input_noun = "series"
    accepts = "a file of the past, or the number of a test window"
    better = _BETTER

    def check(self, config: ForecastConfig) -> None:
        """Look whether there are such a layer and such data, and say what is read."""
        super().check(config)
        data = _load(config)
        if not config.recipe:
            for line in _described(data):
                say(line)

    def data(self, run: Run[ForecastConfig]) -> Cut:
        """Read the series and cut them; what has to be known of them is kept in the run."""
        with spinner("Cutting the series"):
            data = _load(run.config)
        found = _columns(data)
        if run.columns is None:
            run.keep_columns(found)
        if known_columns(run) != found:
            raise PipelineError(
                f"{data.whole.table.name} has changed since {run.path} was begun. Name another "
                "directory."
            )
        return data

    def model(self, config: ForecastConfig, data: Cut) -> keras.Model:
        """Read the window; the last output and the mean of all decide how the targets change."""
        entrance = windows.enter(config, data)
        outputs = models.recurrent(config)(entrance.sequences)
        pooled = [outputs[:, -1], models.mean(outputs, None), *entrance.ahead]
        return windows.finish(
            entrance, ops.concatenate(pooled, axis=-1), config, data, name=config.task
        )

    def loss(self, config: ForecastConfig, data: Cut) -> DistributionLoss:
        """Squared error of the mean, and pinball loss of the quantiles."""
        return DistributionLoss(data.changes.deviation.tolist())

    def metrics(self, config: ForecastConfig) -> Sequence[str]:
        """None but the loss."""
        return ()

    def score(self, predictions: npt.NDArray[Any], examples: Examples) -> Metrics:
        """Measure errors over all steps, halfway and at the end, in the units of the targets.

        The mean absolute scaled error is held against the naive forecast of a season before, in the
        training stretch.
        """
        assert isinstance(examples, Windows)
        targets = examples.targets.numpy()
        known = ~np.isnan(targets)
        off = np.abs(predictions[..., 0] - targets)
        figures = distribution.score(predictions[known], targets[known])
        del figures["r_squared"]
        horizon = targets.shape[1]
        return {
            **figures,
            "mase": float((off / examples.naive_error)[known].mean()),
            "mae_halfway": _mean(off[:, (horizon - 1) // 2]),
            "mae_at_the_end": _mean(off[:, -1]),
        }

    def error_analysis(
        self, run: Run[ForecastConfig], data: Cut, predictions: npt.NDArray[Any]
    ) -> list[Finding]:
        """Draw some forecasts, and measure errors and intervals by step ahead.

        The errors are those of the means, in standard deviations if there are several targets.
        """
        names, test = data.roles.targets, data.test
        targets, only = test.targets.numpy(), len(names) == 1
        read, known = (test.inputs[name].numpy()[..., : len(names)] for name in ("values", "known"))
        forecasts = Forecasts(
            targets=names,
            read=np.where(known > 0, read, np.nan),
            last=windows.last_known(test, len(names), data.columns.mean),
            truth=targets,
            predictions=predictions,
            scale=np.ones(1) if only else data.columns.deviation[: len(names)],
            unit=names[0] if only else "standard deviations",
        )

        def named(place: int) -> str:
            return f"test window {place + 1}, {_named(data.whole, test.places, place)}"

        def times(place: int) -> list[str]:
            where = Places(*(each[place : place + 1] for each in test.places))
            asked = Asked("", data.whole, where)
            return [time for _, time in _steps(asked, targets.shape[1])]

        def row(place: int) -> list[str]:
            shown = targets[place], predictions[place, ..., 0]
            return [named(place), *map(_listed, shown)]

        errors, unit = forecasts.errors, forecasts.unit
        heads = ["window", "right is", "the model says"]
        return [
            drawn(forecasts, named, times),
            by_step(forecasts),
            Finding("Errors", measure.distribution(errors, unit)),
            Finding("Worst mistakes", [measure.worst(errors, unit, heads, row)]),
        ]

    def baselines(self, run: Run[ForecastConfig]) -> Mapping[str, Baseline]:
        """Three that learn nothing, and two that do not read in order."""
        return {
            "persistence": baselines.persistence,
            "drift": baselines.drift,
            "seasonal naive": baselines.seasonal_naive,
            "linear autoregression": baselines.linear,
            "feed-forward network": baselines.feed_forward,
        }

    def predict(self, run: Run[ForecastConfig], inputs: Sequence[str]) -> list[Prediction]:
        """Forecast after the end of each series in a file, or from the number of a test window."""
        model, known = _fitting(run), known_columns(run)
        predictions = []
        for asked in _asked(run, inputs):
            outputs = batches.outputs(model, _cut(run, asked.timed, asked.ahead))
            predictions.append(Prediction("\n".join(_lines(asked, outputs, known["targets"]))))
        return predictions

    def examples(self, run: Run[ForecastConfig], table: Table) -> Examples:
        """Cut all windows of a table whose targets are known."""
        timed = _timed(run, table)
        where = windows.find(timed.series, timed.roles, run.config)
        if not len(where.origins):
            raise PipelineError(
                f"{table.name} has no window to test on among its {len(table):,} rows: give "
                f"{run.config.horizon} steps and more with {', '.join(timed.roles.targets)}."
            )
        return _cut(run, timed, where)

    def predict_table(self, run: Run[ForecastConfig], table: Table) -> Table:
        """Forecast after the end of each series: a row for each step ahead."""
        asked = _ahead(run, table)
        outputs = batches.outputs(_fitting(run), _cut(run, asked.timed, asked.ahead))
        steps = [*_steps(asked, run.config.horizon)]
        roles = asked.timed.roles
        columns = {
            **({roles.series: [name for name, _ in steps]} if roles.series else {}),
            roles.time: [time for _, time in steps],
            **distribution.columns(outputs.reshape(-1, *outputs.shape[2:]), roles.targets),
        }
        return Table(table.name, table.version, columns, [" ".join(step) for step in steps])

    def scored(self, run: Run[ForecastConfig], table: Table) -> Mapping[str, Sequence[Any]]:
        """Return the forecasts alone: they are of other times than the rows of `table`."""
        return self.predict_table(run, table).columns

    def explain_spec(self, run: Run[ForecastConfig], model: keras.Model, input: str) -> ExplainSpec:
        """Read a window step by step: what would be said if no more than a beginning were known."""
        (asked,) = _asked(run, [input])
        one = asked._replace(ahead=Places(*(each[:1] for each in asked.ahead)))
        inputs = {
            name: each.numpy() for name, each in _cut(run, one.timed, one.ahead).inputs.items()
        }
        roles, config = asked.timed.roles, run.config
        (number,), (origin,) = one.ahead
        ahead = range(1 - config.window, 1 + config.horizon)
        times = [one.timed.after(number, origin - 1, step) for step in ahead]
        return ExplainSpec(
            model=model,
            name=asked.name,
            inputs=inputs,
            time="values",
            steps=times[: config.window],
            noun="times",
            running=_after_beginnings,
            explain=_explained(roles.targets, times[-1], config.horizon),
            view=Vectors(inputs["values"][0], "column", roles.values),
            source="values",
        )

    def artifact(self, run: Run[ForecastConfig]) -> Mapping[str, Any]:
        """Say what inputs and outputs are; compare on the test split."""
        data, config = self.data(run), run.config
        kept = data.test.inputs.items()
        roles, step = data.roles, data.whole.clock.described
        units = f"in steps of {step}, in the units of the data"
        future = {
            "input future": f"[batch, {config.horizon}, {len(roles.future)}]: "
            f"{', '.join(roles.future)}, at the steps ahead"
        }
        card = {
            "data set": data.whole.table.name,
            "input values": f"[batch, {config.window}, {len(roles.values)}]: "
            f"{', '.join(roles.values)}, {units}, the latest step last; any number where one "
            "is missing",
            "input known": "1 where a value is known, and 0 where it is missing",
            **(future if roles.future else {}),
            "output": f"[batch, {config.horizon}, {len(roles.targets)}, 4]: "
            f"{', '.join(roles.targets)} at each step ahead; {', '.join(distribution.NAMES)}",
        }
        return {
            "examples": {name: values[:_COMPARED].numpy() for name, values in kept},
            "answer": exports.Forecast(
                roles.targets, roles.past, roles.future, step, distribution.LEVEL
            ),
            "card": card,
        }


def _load(config: ForecastConfig) -> Cut:
    table = labelled.read(config)
    if config.fold:
        table = replace(table, splits=None)  # folds are of all data
    return windows.split(series.read(table, series.choose(table, config), config.on_error), config)


def _columns(data: Cut) -> Columns:
    """Say what a run keeps of its data."""
    clock = data.whole.clock
    return Columns(
        kind="series",
        input=data.roles.time,
        targets=list(data.roles.targets),
        classes=[],
        version=data.whole.table.version,
        fitted={
            "unit": clock.unit,
            "step": float(clock.step),
            "naive_error": data.test.naive_error.tolist(),
        },
    )


def _described(data: Cut) -> Iterator[str]:
    """Say which columns are read, how, and where the splits begin."""
    timed, roles = data.whole, data.roles
    steps = sum(len(each.rows) for each in timed.series)
    missing = steps - len(timed.table)
    yield (
        f"Time: {roles.time}, in steps of {timed.clock.described}; {missing:,} of {steps:,} are "
        f"missing. A season: {data.season} steps."
    )
    kinds = {
        "Target": roles.targets,
        "Past covariates": roles.past,
        "Future covariates": roles.future,
        "Series": (f"{roles.series} ({len(timed.series):,})",) if roles.series else (),
    }
    yield " ".join(f"{kind}: {', '.join(listed)}." for kind, listed in kinds.items() if listed)
    counts = ", ".join(
        f"{len(getattr(data, name)):,} {name}" for name in ("train", "validation", "test")
    )
    yield f"Windows: {counts}. The first one of the test is {_named(timed, data.test.places, 0)}."


def _named(timed: Timed, where: Places, place: int) -> str:
    """Say after what time of which series a forecast begins."""
    number, origin = where.series[place], where.origins[place]
    return f"{timed.series[number].name} after {timed.after(number, origin - 1, 0)}".strip()


def _known_roles(run: Run[ForecastConfig]) -> Roles:
    known, config = known_columns(run), run.config
    past, future = names(config.past_covariates or ""), names(config.future_covariates or "")
    targets = tuple(known["targets"])
    return Roles(known["input"], targets, tuple(past), tuple(future), config.series_id)


def _fitted(run: Run[ForecastConfig]) -> OfSeries:
    """Return what is known of the series of `run`.

    Raises:
        PipelineError: it is not trained yet, or `columns.json` is damaged.
    """
    known = known_columns(run)
    try:
        fitted = msgspec.convert(known["fitted"], OfSeries)
    except msgspec.ValidationError as error:
        raise PipelineError(f"{run.path / 'columns.json'} is damaged: {error}") from error
    if len(fitted["naive_error"]) != len(known["targets"]):
        raise PipelineError(f"{run.path / 'columns.json'} is damaged: its targets differ in number")
    return fitted


def _fitting(run: Run[ForecastConfig]) -> keras.Model:
    """Return the model of `run`.

    Raises:
        PipelineError: there is none, or it is of other columns.
    """
    model, here = run.model(), len(_known_roles(run).values)
    if model.input_shape[0][-1] != here:
        raise PipelineError(
            f"{run.path / 'columns.json'} is damaged: it has {here} columns, and the model knows "
            f"{model.input_shape[0][-1]}"
        )
    return model


def _timed(run: Run[ForecastConfig], table: Table) -> Timed:
    """Make series of a table, as those of `run` are."""
    fitted = _fitted(run)
    clock = Clock(fitted["unit"], fitted["step"])
    roles = _known_roles(run)
    if roles.series not in table.columns:
        roles = roles._replace(series=None)  # all rows are of one
    return series.read(table, roles, run.config.on_error, clock)


def _ahead(run: Run[ForecastConfig], table: Table) -> Asked:
    """Find where the forecasts after the end of each series begin.

    Raises:
        PipelineError: a series has no known target, or lacks what should be known in advance.
    """
    timed = _timed(run, table)
    ends = [np.flatnonzero(each.has_target(timed.roles))[-1:] for each in timed.series]
    faults = {
        number: fault
        for number, end in enumerate(ends)
        if (fault := _fault(timed, number, end, run.config.horizon))
    }
    reject(list(faults.values()), run.config.on_error)
    kept = [number for number in range(len(ends)) if number not in faults]
    if not kept:
        raise PipelineError(f"{table.name} has no series that can be forecast.")
    origins = np.concatenate([ends[number] for number in kept]) + 1
    return Asked(table.name, timed, Places(np.array(kept), origins))


def _fault(timed: Timed, number: int, end: Array, horizon: int) -> Fault | None:
    """Say why a series cannot be forecast after the last step that has a target, if it cannot."""
    roles, series = timed.roles, timed.series[number]
    first = next(row for row in series.rows if row is not None)
    if not len(end):
        return Fault(
            timed.table.places[first], f"no {' or '.join(roles.targets)} is known after it"
        )
    ahead = series.values[end[0] + 1 : end[0] + 1 + horizon, len(roles.targets + roles.past) :]
    known = int((~np.isnan(ahead)).all(-1).sum())
    if not roles.future or known == horizon:
        return None
    row = series.rows[end[0]]
    assert row is not None
    reason = (
        f"{', '.join(roles.future)} must be known in the {horizon} steps after it, and is in "
        f"{known}: add rows without {', '.join(roles.targets)}"
    )
    return Fault(timed.table.places[row], reason)


def _cut(run: Run[ForecastConfig], timed: Timed, where: Places) -> Windows:
    """Cut windows as the model of `run` takes them."""
    return windows.cut(timed, run.config, where, np.array(_fitted(run)["naive_error"]))


def _asked(run: Run[ForecastConfig], given: Sequence[str]) -> list[Asked]:
    def read(typed: str) -> Asked:
        return _ahead(run, sources.read(typed, run.config.on_error))

    def test() -> list[tuple[Cut, int]]:
        data = _load(run.config.model_copy(update={"limit": None}))
        return [(data, place) for place in range(len(data.test))]

    def numbered(example: tuple[Cut, int], name: str) -> Asked:
        data, place = example
        where = data.test.places
        one = Places(*(each[place : place + 1] for each in where))
        return Asked(f"{name}, {_named(data.whole, where, place)}", data.whole, one)

    return typed_inputs.resolve(given, "window", test, numbered, read)


def _steps(asked: Asked, horizon: int) -> Iterator[tuple[str, str]]:
    """Give the name of the series and the time of each step of each forecast."""
    for number, origin in zip(*asked.ahead, strict=True):
        for step in range(1, 1 + horizon):
            name = asked.timed.series[number].name
            yield name, asked.timed.after(number, origin - 1, step)


def _lines(asked: Asked, outputs: Array, targets: Sequence[str]) -> Iterator[str]:
    """Write a forecast for a reader, a line for each step."""
    numbers = outputs.reshape(-1, *outputs.shape[2:])
    for (name, time), row in zip(_steps(asked, outputs.shape[1]), numbers, strict=True):
        told = distribution.each_told(targets, row)
        yield "\t".join(filter(None, [name, time, *told]))


def _after_beginnings(compute: Compute, spec: ExplainSpec) -> Array:
    """Ask about each beginning of a window, as if no later step were known."""
    steps = spec.inputs["known"].shape[1]
    inputs = {name: np.repeat(each, steps, axis=0) for name, each in spec.inputs.items()}
    inputs["known"] = inputs["known"] * np.tri(steps, dtype=np.float32)[..., None]
    return batches.mapped(compute, Examples(inputs, np.zeros(steps), np.full(steps, steps)))


def _explained(targets: Sequence[str], time: str, horizon: int) -> Callable[[Array], Explained]:
    """Explain the mean of the first target at the last step ahead, whose time is `time`."""

    def answer(outputs: Array) -> str:
        return f"{time}: {', '.join(distribution.each_told(targets, outputs[-1]))}"

    name = f"{targets[0]}, {horizon} steps ahead"
    return mean_of(name, targets[0], lambda outputs: outputs[:, -1, 0], answer)


def _mean(errors: Array) -> float:
    """Mean of what is known; 0 if nothing is."""
    known = ~np.isnan(errors)
    return float(errors[known].mean()) if known.any() else 0.0


def _listed(values: Array) -> str:
    flat = values.ravel()
    shown = ", ".join(f"{value:.4g}" for value in flat[:_LISTED])
    return f"{shown}, ..." if len(flat) > _LISTED else shown


task = Forecast()
