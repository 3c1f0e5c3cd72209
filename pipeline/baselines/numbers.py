"""Predictions of numbers by methods that do not read in order, with the spread of their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import RidgeCV

from pipeline import distribution
from pipeline.baselines import Fit
from pipeline.baselines.summary import summaries
from pipeline.config.regress import RegressConfig
from pipeline.features.base import Encoded

_STRENGTHS = np.logspace(-3, 4, 15)  # of the penalty of ridge regression, one of which is chosen


def mean(config: RegressConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """The mean of the training targets."""
    middle = data.counted.targets.numpy().mean(0)
    errors = data.validation.targets.numpy() - middle
    return distribution.around(np.repeat(middle[None], len(data.test), axis=0), errors)


def ridge(config: RegressConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """Ridge regression on what is known of inputs out of order."""
    train, validation, test = summaries(data)
    regression = RidgeCV(_STRENGTHS).fit(train, data.counted.targets.numpy())
    shape = (-1, data.counted.targets.shape[-1])  # scikit-learn drops the axis of one target
    errors = data.validation.targets.numpy() - regression.predict(validation).reshape(shape)
    return distribution.around(regression.predict(test).reshape(shape), errors)
