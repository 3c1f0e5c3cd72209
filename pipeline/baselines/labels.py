"""Predictions of labels, several to an input, by methods that do not read in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from pipeline.baselines import Fit
from pipeline.baselines.summary import summaries
from pipeline.config.classify import ClassifyConfig
from pipeline.features.base import Encoded


def frequency(config: ClassifyConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """How many of the training inputs have each label."""
    return np.repeat(data.counted.targets.numpy().mean(0)[None], len(data.test), axis=0)


def logistic(config: ClassifyConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """A logistic regression for each label, on what is known of inputs out of order."""
    train, _, test = summaries(data)
    regression = OneVsRestClassifier(LogisticRegression(C=30.0, max_iter=1000))
    regression.fit(train, data.counted.targets.numpy().astype(int))
    probabilities: npt.NDArray[Any] = regression.predict_proba(test)
    return probabilities
