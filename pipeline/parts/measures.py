"""Losses and metrics that Keras does not have."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

_TINY = 1e-12  # keeps the slope of the root finite where nothing is wrong


@keras.saving.register_keras_serializable("pipeline")
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


@keras.saving.register_keras_serializable("pipeline")
def accuracy(targets: Any, probabilities: Any) -> Any:
    """Tell of each example the fraction of its symbols that are right, given those before each."""
    targets = ops.cast(targets, "int32")
    real = ops.cast(ops.not_equal(targets, 0), "float32")
    right = ops.cast(
        ops.equal(targets, ops.cast(ops.argmax(probabilities, -1), "int32")), "float32"
    )
    return ops.sum(right * real, axis=-1) / ops.sum(real, axis=-1)


@keras.saving.register_keras_serializable("pipeline")
def greedy_accuracy(targets: Any, probabilities: Any) -> Any:
    """Tell of each example whether a greedy search would find it: every next symbol is right."""
    targets = ops.cast(targets, "int32")
    found = ops.cast(ops.argmax(probabilities, axis=-1), "int32")
    right = ops.logical_or(ops.equal(targets, found), ops.equal(targets, 0))
    return ops.cast(ops.all(right, axis=-1), "float32")


KNOWN = {
    keras.saving.get_registered_name(each): each for each in (Distance, accuracy, greedy_accuracy)
}
