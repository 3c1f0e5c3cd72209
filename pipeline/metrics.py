"""Losses and metrics that Keras does not have."""

from typing import Any

import keras
from keras import ops


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


@keras.saving.register_keras_serializable("pipeline")
def step_crossentropy(targets: Any, probabilities: Any) -> Any:
    """Return the mean cross-entropy of all steps of a batch.

    Args:
        targets: one more than the label of each step, `[batch, steps]`; 0 is padding.
        probabilities: of each label, `[batch, steps, labels]`.
    """
    real = ops.cast(ops.not_equal(targets, 0), "float32")
    labels = ops.maximum(ops.cast(targets, "int32") - 1, 0)
    surprise = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
    return ops.sum(surprise * real) / ops.maximum(ops.sum(real), 1.0)


@keras.saving.register_keras_serializable("pipeline")
class StepAccuracy(keras.metrics.Mean):
    """Fraction of steps whose most probable label is right; targets as in `step_crossentropy`."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count the steps of a batch."""
        found = ops.cast(ops.argmax(y_pred, axis=-1), "int32") + 1
        right = ops.cast(ops.equal(ops.cast(y_true, "int32"), found), "float32")
        super().update_state(right, ops.cast(ops.not_equal(y_true, 0), "float32"))


KNOWN = {
    keras.saving.get_registered_name(each): each
    for each in (StepAccuracy, accuracy, greedy_accuracy, step_crossentropy)
}
