"""Classifiers that know mean and standard deviation of a sequence of vectors, and not its order."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeline import batches, models
from pipeline.baselines import Fit
from pipeline.config.classify import ClassifyConfig
from pipeline.features.base import Encoded
from pipeline.features.frames import Frames


def feed_forward(config: ClassifyConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """A network of one hidden layer over mean and standard deviation."""
    inputs, pooled = _pooled(data)
    hidden = keras.layers.Dense(4 * config.units, activation="relu")(pooled)
    logits = models.logits(hidden, len(data.classes), config.dropout)
    model = keras.Model(inputs, models.probabilities(logits), name="feed_forward_network")
    return batches.outputs(fit(model, config), data.test)


def support_vectors(config: ClassifyConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """Support vectors with a radial kernel on mean and standard deviation."""
    pooled = keras.Model(*_pooled(data))
    machine = make_pipeline(StandardScaler(), SVC(C=10.0))
    machine.fit(batches.outputs(pooled, data.train), data.train.targets.numpy())
    found = machine.decision_function(batches.outputs(pooled, data.test))
    if found.ndim == 1:  # of two classes, there is the score of the second alone
        found = np.stack([-found, found], axis=-1)
    scores = np.full((len(data.test), len(data.classes)), -np.inf)
    scores[:, machine.classes_] = found
    return scores


def _pooled(data: Encoded) -> tuple[Any, Any]:
    """Return what a model takes, and mean and standard deviation of it."""
    assert isinstance(data.feature, Frames)
    begun = data.feature.begin(data.train)
    return begun.input, models.mean_and_spread(begun.sequences, begun.mask)
