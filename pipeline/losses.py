"""Losses that Keras does not have."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

_TINY = 1e-12  # keeps the slope of the root finite where nothing is wrong


class Distance(keras.losses.Loss):
    """How far predicted points are from the true ones, `[batch, points, axes]`.

    Args:
        weights: of each point.
        options: those of every Keras loss.
    """

    def __init__(self, weights: Sequence[float], **options: Any) -> None:
        super().__init__(**options)
        self.weights = list(weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the distances, weighted, `[batch, points]`."""
        squares = ops.sum(ops.square(y_pred - y_true), axis=-1)
        return ops.sqrt(squares + _TINY) * ops.convert_to_tensor(self.weights, squares.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "weights": self.weights}


KNOWN = {"Distance": Distance}
