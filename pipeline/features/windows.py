"""Windows of series: what is known at a moment, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from pipeline import distribution
from pipeline.config.forecast import ForecastConfig
from pipeline.data.series import Roles, Series, Timed
from pipeline.data.table import Split
from pipeline.errors import PipelineError
from pipeline.examples import Data, Examples, Integers

Array = npt.NDArray[Any]
Tensor = Any

_TEST, _VALIDATION = 0.2, 0.1  # shares: of all that is known, and of what is before the test


class Places(NamedTuple):
    """Where windows are: the number of the series of each, and the step that it is followed by."""

    series: Integers
    origins: Integers

    def few(self, limit: int | None) -> Places:
        """Return so many of them at most, at even distances."""
        if limit is None or limit >= len(self.origins):
            return self
        kept = np.linspace(0, len(self.origins) - 1, limit).round().astype(int)
        return Places(self.series[kept], self.origins[kept])


@dataclass(frozen=True, eq=False)
class Windows(Examples):
    """Windows of series, and the values that follow each; NaN if they are not known.

    Inputs are `values`, `[window, columns]` with zeros for what is missing; `known`, which is 1
    where a value is there; and, if there are columns that are known in advance, `future`,
    `[horizon, columns]`. Targets are `[horizon, targets]`.

    Attributes:
        places: where they are.
        naive_error: of each target, to hold errors against: `naive_error`.
    """

    places: Places
    naive_error: Array


class Scale(NamedTuple):
    """Mean and standard deviation of numbers in the training stretch."""

    mean: Array
    deviation: Array


@dataclass(frozen=True, eq=False)
class Cut(Data):
    """Windows of all series, split.

    Attributes:
        whole: the series that they are of.
        season: in steps.
        columns: the scale of each column, `[columns]`.
        changes: the scale of target minus last known value, `[horizon, targets]`.
    """

    train: Windows
    validation: Windows
    test: Windows
    whole: Timed
    season: int
    columns: Scale
    changes: Scale

    @property
    def roles(self) -> Roles:
        """What the columns are."""
        return self.whole.roles


class Stretch(NamedTuple):
    """Where the windows of a split are.

    Attributes:
        of: the split that the data give the series.
        start: the time from which on targets are in it.
        end: the time before which they are.
    """

    of: Split
    start: float = -np.inf
    end: float = np.inf


def split(timed: Timed, config: ForecastConfig) -> Cut:
    """Cut series into windows: splits that the data do not have are the last stretches of time.

    Raises:
        PipelineError: a split is empty.
    """
    series, roles = timed.series, timed.roles
    season = config.season or timed.clock.season
    stretches = _stretches(series, roles, config)
    places = {name: find(series, roles, config, each) for name, each in stretches.items()}
    for name, where in places.items():
        if not len(where.origins):
            raise PipelineError(
                f"{timed.table.name} has no window for the {name} split among its "
                f"{len(timed.table):,} rows. Give more rows, or a shorter --horizon than "
                f"{config.horizon}."
            )
    end = stretches["train"].end
    seen = [each.values[each.times < end] for each in series if each.split == "train"]
    naive = naive_error(seen, len(roles.targets), season)
    found = {
        name: cut(timed, config, where.few(config.limit), naive) for name, where in places.items()
    }
    columns, train = scale(np.concatenate(seen)), found["train"]
    last = last_known(train, len(roles.targets), columns.mean)
    changes = scale(train.targets.numpy() - last[:, None])
    return Cut(**found, whole=timed, season=season, columns=columns, changes=changes)


def _stretches(
    series: Sequence[Series], roles: Roles, config: ForecastConfig
) -> Mapping[Split, Stretch]:
    """Take the splits that the data have. Those that they do not have are of the training series.

    The test takes the last stretch with a fifth of what is known, or less if there are several
    folds. A tenth of what is known before it is for validation.
    """
    given = {each.split for each in series}
    known = [each.times[each.has_target(roles)] for each in series if each.split == "train"]
    times = np.sort(np.concatenate(known or [np.empty(0)]))
    share = 0.0 if "test" in given else min(_TEST, 1 / (config.folds + 1))
    end = 1 - share * (config.folds - (config.fold or config.folds))
    test = end - share
    validation = test if "validation" in given else (1 - _VALIDATION) * test

    def begin(share: float) -> float:
        place = round(share * len(times))
        return float(times[place]) if place < len(times) else np.inf

    return {
        "train": Stretch("train", end=begin(validation)),
        "validation": Stretch("train", begin(validation), begin(test)),
        "test": Stretch("train", begin(test), begin(end)),
        **{split: Stretch(split) for split in given if split != "train"},
    }


def find(
    series: Sequence[Series], roles: Roles, config: ForecastConfig, stretch: Stretch | None = None
) -> Places:
    """Find the windows whose targets are all in `stretch`, or anywhere.

    The step before the first target has a target that is known, as where a forecast begins, and so
    has one of the steps ahead. What is known in advance is there for all of these.
    """
    found = [
        _origins(each, roles, config.horizon, stretch or Stretch(each.split)) for each in series
    ]
    counts = [len(each) for each in found]
    return Places(np.repeat(np.arange(len(series)), counts), np.concatenate(found))


def _origins(series: Series, roles: Roles, horizon: int, stretch: Stretch) -> Integers:
    origins = np.arange(1, len(series.times) - horizon + 1)
    ahead = origins[:, None] + np.arange(horizon)
    known, times = series.has_target(roles), series.times
    in_advance = series.values[:, len(roles.targets + roles.past) :]
    fits = (
        known[origins - 1]
        & known[ahead].any(-1)
        & ~np.isnan(in_advance)[ahead].any((-1, -2))
        & (series.split == stretch.of)
        & (times[origins] >= stretch.start)
        & (times[origins + horizon - 1] < stretch.end)
    )
    return origins[fits]


def cut(timed: Timed, config: ForecastConfig, where: Places, naive_error: Array) -> Windows:
    """Cut windows; where a series has not begun yet, its values are missing."""
    pieces = [
        _windows(each, timed.roles, config, where.origins[where.series == place])
        for place, each in enumerate(timed.series)
    ]
    inputs = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    targets = inputs.pop("targets")
    tensors = {name: tf.convert_to_tensor(values) for name, values in inputs.items()}
    lengths = np.full(len(targets), config.window)
    return Windows(tensors, tf.convert_to_tensor(targets), lengths, where, naive_error)


def _windows(
    series: Series, roles: Roles, config: ForecastConfig, origins: Integers
) -> Mapping[str, Array]:
    """Cut windows of one series, and what follows each; steps after the end are missing."""
    gone = np.pad(series.values, [(config.window, config.horizon), (0, 0)], constant_values=np.nan)
    past = gone[origins[:, None] + np.arange(config.window)]
    ahead = gone[config.window + origins[:, None] + np.arange(config.horizon)]
    found = {
        "values": np.nan_to_num(past, nan=0.0),
        "known": (~np.isnan(past)).astype(np.float32),
        "targets": ahead[..., : len(roles.targets)],
    }
    if roles.future:
        found["future"] = ahead[..., -len(roles.future) :]
    return found


def naive_error(series: Sequence[Array], targets: int, season: int) -> Array:
    """Measure how far each target is from its value a season before, in the mean.

    `series` are `[steps, columns]` each, targets first.

    Of a target that never changes, or whose seasons are not known, it is 1.
    """
    errors = []
    for each in series:
        values = each[:, :targets].astype(np.float64)
        errors.append(np.abs(values[season:] - values[:-season]))
    found = np.concatenate(errors)
    mean = np.nansum(found, axis=0) / np.maximum((~np.isnan(found)).sum(0), 1)
    return np.where(mean > 0, mean, 1.0)


def scale(values: Array) -> Scale:
    """Measure mean and standard deviation of `[any, ...]` over what is known."""
    known = ~np.isnan(values)
    mean = np.nansum(values, axis=0, dtype=np.float64) / np.maximum(known.sum(0), 1)
    padded = np.where(known.any(0), values, 0.0)
    return Scale(mean.astype(np.float32), distribution.deviation(padded))


def last_known(windows: Windows, targets: int, means: Array) -> Array:
    """Return the last known value of each target, or else its mean, `[examples, targets]`."""
    values = windows.inputs["values"].numpy()[..., :targets]
    known = windows.inputs["known"].numpy()[..., :targets] > 0
    latest = known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    last = np.take_along_axis(values, latest[:, None], axis=1)[:, 0]
    return np.where(known.any(axis=1), last, means[:targets])


class Entrance(NamedTuple):
    """The beginning of a model.

    Attributes:
        inputs: what it takes.
        sequences: what a recurrent layer reads, `[batch, window, features]`.
        last: the last known value of each target, `[batch, targets]`.
        ahead: what is known in advance, if anything is, `[batch, features]` each.
    """

    inputs: list[Tensor]
    sequences: Tensor
    last: Tensor
    ahead: list[Tensor]

    @property
    def flat(self) -> Tensor:
        """All that is known, out of order, `[batch, features]`."""
        return ops.concatenate([keras.layers.Flatten()(self.sequences), *self.ahead], axis=-1)


def enter(config: ForecastConfig, data: Cut) -> Entrance:
    """Begin a model that takes the units of the user.

    It reads each column with a mean of 0 and a standard deviation of 1 over the training stretch,
    how the targets change from step to step, and what is known. What is missing is 0.
    """
    columns, targets = len(data.roles.values), len(data.roles.targets)
    values = keras.Input((config.window, columns), dtype="float32", name="values")
    given = keras.Input((config.window, columns), dtype="float32", name="known")
    known = ops.greater(given, 0.5)
    filled = ops.where(known, values, data.columns.mean)
    last = _last(filled[..., :targets], known[..., :targets], data.columns.mean[:targets])
    both = ops.logical_and(known[:, 1:, :targets], known[:, :-1, :targets])
    steps = (filled[:, 1:, :targets] - filled[:, :-1, :targets]) / data.changes.deviation[0]
    changes = ops.pad(ops.where(both, steps, 0.0), [[0, 0], [1, 0], [0, 0]])
    sequences = [_scaled(filled, data.columns), changes, ops.cast(known, "float32")]
    read = ops.concatenate(sequences, axis=-1)
    if not data.roles.future:
        return Entrance([values, given], read, last, [])
    count = len(data.roles.future)
    future = keras.Input((config.horizon, count), dtype="float32", name="future")
    scales = Scale(data.columns.mean[-count:], data.columns.deviation[-count:])
    ahead = keras.layers.Flatten()(_scaled(future, scales))
    return Entrance([values, given, future], read, last, [ahead])


def finish(
    entrance: Entrance, features: Tensor, config: ForecastConfig, data: Cut, name: str
) -> keras.Model:
    """End a model: what `features` say is added to the last known values."""
    changes = distribution.head(features, *data.changes, config.dropout)
    ahead = ops.add(changes, entrance.last[:, None, :, None])
    outputs = keras.layers.Identity(name="forecast", dtype="float32")(ahead)
    return keras.Model(entrance.inputs, outputs, name=name)


def _scaled(values: Tensor, scale: Scale) -> Tensor:
    return (values - scale.mean) / scale.deviation


def _last(values: Tensor, known: Tensor, otherwise: Array) -> Tensor:
    """Return the last known value of each column."""
    order = np.arange(1, 1 + values.shape[1], dtype=np.float32)[:, None]
    places = ops.where(known, order, 0.0)
    latest = ops.max(places, axis=1, keepdims=True)
    chosen = ops.logical_and(known, ops.equal(places, latest))
    last = ops.sum(ops.where(chosen, values, 0.0), axis=1)
    return ops.where(latest[:, 0] > 0, last, otherwise)
