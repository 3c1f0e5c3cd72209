"""Forecasts that a network must beat, with the spread of their errors on the validation stretch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline import batches, distribution
from pipeline.baselines import Fit
from pipeline.config.forecast import ForecastConfig
from pipeline.data.waiting import spinner
from pipeline.features import windows
from pipeline.features.windows import Cut, Windows

_STRENGTHS = (1.0, 100.0, 10_000.0)  # of the penalty of ridge regression, one of which is chosen
_SEASONS = 8  # to look back where a season before is missing


def persistence(config: ForecastConfig, data: Cut, fit: Fit) -> npt.NDArray[Any]:
    """The last value goes on."""

    def predict(given: Windows) -> npt.NDArray[Any]:
        return np.repeat(_last(given, data)[:, None], config.horizon, axis=1)

    return _spread(predict, data)


def drift(config: ForecastConfig, data: Cut, fit: Fit) -> npt.NDArray[Any]:
    """The line through the last two known values goes on; of one value, that value."""
    steps = np.arange(config.window)[:, None]
    ahead = np.arange(1, 1 + config.horizon)[:, None]

    def predict(given: Windows) -> npt.NDArray[Any]:
        inputs, targets = given.inputs, len(data.roles.targets)
        read, known = (inputs[name].numpy()[..., :targets] for name in ("values", "known"))
        places = np.sort(np.where(known > 0, steps, -1), axis=1)[:, -2:]
        values = np.take_along_axis(read, np.maximum(places, 0), axis=1)
        changes = (values[:, -1] - values[:, 0]) / np.maximum(places[:, -1] - places[:, 0], 1)
        slopes = np.where(places[:, 0] < 0, 0.0, changes)
        return _last(given, data)[:, None] + ahead * slopes[:, None]

    return _spread(predict, data)


def seasonal_naive(config: ForecastConfig, data: Cut, fit: Fit) -> npt.NDArray[Any]:
    """What was a season ago comes again; where that is missing, the season before, or the last."""
    targets, ahead = len(data.roles.targets), np.arange(config.horizon)
    back = ahead - data.season * (1 + ahead // data.season)

    def predict(given: Windows) -> npt.NDArray[Any]:
        found = np.full((len(given), config.horizon, targets), np.nan)
        for number, series in enumerate(data.whole.series):
            rows = np.flatnonzero(given.places.series == number)
            steps = given.places.origins[rows, None] + back
            for _ in range(_SEASONS):
                values = series.values[np.maximum(steps, 0), :targets]
                there = np.where(steps[..., None] < 0, np.nan, values)
                found[rows] = np.where(np.isnan(found[rows]), there, found[rows])
                steps = steps - data.season
        return np.where(np.isnan(found), _last(given, data)[:, None], found)

    return _spread(predict, data)


def linear(config: ForecastConfig, data: Cut, fit: Fit) -> npt.NDArray[Any]:
    """Ridge regression on the window; validation decides the penalty.

    It learns from windows whose targets are all known. If there are none, the last value goes on.
    """
    entrance = windows.enter(config, data)
    flat = keras.Model(entrance.inputs, entrance.flat)
    inputs = {
        each: batches.outputs(flat, each) for each in (data.train, data.validation, data.test)
    }
    changes = data.train.targets.numpy() - _last(data.train, data)[:, None]
    known = ~np.isnan(changes).any((1, 2))
    if not known.any():
        return persistence(config, data, fit)

    def fitted(strength: float) -> Callable[[Windows], npt.NDArray[Any]]:
        model = make_pipeline(StandardScaler(), Ridge(strength))
        model.fit(inputs[data.train][known], changes[known].reshape(known.sum(), -1))

        def predict(given: Windows) -> npt.NDArray[Any]:
            ahead: npt.NDArray[Any] = model.predict(inputs[given]).reshape(-1, *changes.shape[1:])
            return _last(given, data)[:, None] + ahead

        return predict

    def error(predict: Callable[[Windows], npt.NDArray[Any]]) -> float:
        return float(np.nanmean(abs(data.validation.targets.numpy() - predict(data.validation))))

    with spinner("Linear autoregression"):
        best = min(map(fitted, _STRENGTHS), key=error)
    return _spread(best, data)


def feed_forward(config: ForecastConfig, data: Cut, fit: Fit) -> npt.NDArray[Any]:
    """A network of one hidden layer over the window."""
    entrance = windows.enter(config, data)
    hidden = keras.layers.Dense(4 * config.units, activation="relu")(entrance.flat)
    model = windows.finish(entrance, hidden, config, data, name="feed_forward_network")
    return batches.outputs(fit(model, config), data.test)


def _last(given: Windows, data: Cut) -> npt.NDArray[Any]:
    return windows.last_known(given, len(data.roles.targets), data.columns.mean)


def _spread(predict: Callable[[Windows], npt.NDArray[Any]], data: Cut) -> npt.NDArray[Any]:
    """Predict the test split; the errors on the validation split give the quantiles."""
    errors = data.validation.targets.numpy() - predict(data.validation)
    known = ~np.isnan(errors).all(axis=0)
    return distribution.around(predict(data.test), np.where(known, errors, 0.0))
