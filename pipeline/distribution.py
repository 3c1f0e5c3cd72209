"""Predictions of numbers: the mean, and quantiles around it."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from exports.directions import Better

Tensor = Any
Array = npt.NDArray[Any]

QUANTILES = (0.1, 0.5, 0.9)
LEVEL = 0.8  # the fraction of true numbers that should be between the first and the last
BETTER: Mapping[str, Better] = {  # of what `score` measures; a coverage is best at 0.8
    "mae": "lower",
    "rmse": "lower",
    "r_squared": "higher",
    "pinball": "lower",
}
_TINY = 1e-12  # a variance that numbers that never change are held to have
NAMES = ("mean", *(f"quantile {quantile}" for quantile in QUANTILES))


def told(numbers: Array) -> str:
    """Write a number, `[4]`, for a reader: its mean, and the interval that holds eight of ten."""
    mean, low, _, high = numbers
    return f"{mean:.4g} ({low:.4g} to {high:.4g})"


def each_told(names: Sequence[str], numbers: Array) -> list[str]:
    """Write several numbers, `[names, 4]`, each behind its name."""
    return [f"{name} {told(each)}" for name, each in zip(names, numbers, strict=True)]


def head(features: Tensor, mean: Array, deviation: Array, dropout: float) -> Tensor:
    """Predict numbers with these means and standard deviations in the training data.

    Args:
        features: `[batch, features]`.
        mean: of each number, in any shape.
        deviation: of each number.
        dropout: fraction of the features to drop.

    Returns:
        `[batch, *shape, 4]`: the mean and the quantiles 0.1, 0.5 and 0.9, which rise, in the units
        of the numbers.
    """
    features = keras.layers.Dropout(dropout)(features)
    raw = keras.layers.Dense(4 * mean.size, dtype="float32", name="raw")(features)
    raw = keras.layers.Reshape((*mean.shape, 4))(raw)
    middle = raw[..., 1]
    numbers = (
        raw[..., 0],
        middle - ops.softplus(raw[..., 2]),
        middle,
        middle + ops.softplus(raw[..., 3]),
    )
    scaled = ops.stack(numbers, axis=-1) * deviation[..., None] + mean[..., None]
    return keras.layers.Identity(name="predictions", dtype="float32")(scaled)


@keras.saving.register_keras_serializable("pipeline")
class DistributionLoss(keras.losses.Loss):
    """Squared error of the mean, and pinball loss of the quantiles, both without units.

    With e = (y - prediction) / deviation, it is e^2 / 2 of the mean, and of the quantile q
    max(q e, (q - 1) e), summed. Targets that are not a number do not count.

    Koenker & Bassett, 1978, "Regression quantiles".

    Args:
        deviation: of each number in the training data, nested as the numbers are.
        options: those of every Keras loss.
    """

    def __init__(self, deviation: Any, **options: Any) -> None:
        super().__init__(**options)
        self.deviation = deviation

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each number."""
        y_true = ops.cast(y_true, y_pred.dtype)
        known = ops.logical_not(ops.isnan(y_true))
        true = ops.where(known, y_true, 0.0)[..., None]
        deviation = ops.convert_to_tensor(self.deviation, y_pred.dtype)[..., None]
        error = (true - y_pred) / deviation
        quantiles = ops.convert_to_tensor(QUANTILES, y_pred.dtype)
        pinball = ops.maximum(quantiles * error[..., 1:], (quantiles - 1) * error[..., 1:])
        loss = ops.square(error[..., 0]) / 2 + ops.sum(pinball, axis=-1)
        return loss * ops.cast(known, y_pred.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "deviation": self.deviation}


def deviation(targets: Array) -> Array:
    """Return the standard deviation of each number over the examples; 1 of one that never changes.

    Numbers that are not there are NaN.
    """
    found = np.nanstd(targets, axis=0)
    return np.where(found > 0, found, 1.0).astype(np.float32)


def score(predictions: Array, targets: Array) -> dict[str, float]:
    """Measure predictions `[examples, ..., 4]` of targets `[examples, ...]`, in their units.

    Returns:
        Mean absolute error, root of the mean squared error, and coefficient of determination
        (averaged over numbers) of the mean; pinball loss of the quantiles; and coverage, the
        fraction of targets between the first and the last quantile.
    """
    known = ~np.isnan(targets)
    explained = 1 - np.nanmean(np.square(targets - predictions[..., 0]), axis=0) / np.maximum(
        np.nanvar(targets, axis=0), _TINY
    )
    true, predicted = targets[known].astype(np.float64), predictions[known].astype(np.float64)
    error = true - predicted[:, 0]
    below = true[:, None] - predicted[:, 1:]
    pinball = np.maximum(np.array(QUANTILES) * below, (np.array(QUANTILES) - 1) * below)
    covered = (predicted[:, 1] <= true) & (true <= predicted[:, 3])
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "r_squared": float(explained.mean()),
        "pinball": float(pinball.mean()),
        "coverage": float(covered.mean()),
    }


def around(predictions: Array, errors: Array) -> Array:
    """Add quantiles to numbers that a method predicts: those of its errors on other examples.

    Args:
        predictions: `[examples, ...]`.
        errors: true minus predicted number, `[other examples, ...]`; NaN where none is known.

    Returns:
        `[examples, ..., 4]`, as `head` does.
    """
    found = np.nanquantile(errors, QUANTILES, axis=0)
    quantiles = (predictions + each for each in found)
    return np.stack([predictions, *quantiles], axis=-1)


def columns(predictions: Array, names: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    """Make a column of each of the predictions `[rows, names, 4]`."""
    return {
        f"{kind} of {name}": predictions[:, place, part].tolist()
        for place, name in enumerate(names)
        for part, kind in enumerate(NAMES)
    }
