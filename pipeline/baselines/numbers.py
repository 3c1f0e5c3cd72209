"""Predictions of numbers by methods that do not read in order, with the spread of their errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline import batches, distribution, models
from pipeline.config.regress import RegressConfig
from pipeline.features.base import Encoded
from pipeline.features.frames import Frames

if TYPE_CHECKING:
    import numpy.typing as npt

    from pipeline.tasks.base import Fit

_STRENGTHS = np.logspace(-3, 4, 15)  # of the penalty of ridge regression, one of which is chosen


def mean(config: RegressConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """The mean of the training targets."""
    middle = data.counted.targets.numpy().mean(0)
    errors = data.validation.targets.numpy() - middle
    return distribution.around(np.repeat(middle[None], len(data.test), axis=0), errors)


def ridge(config: RegressConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """Ridge regression on TF-IDF of words and bigrams, or on mean and standard deviation."""
    if isinstance(data.feature, Frames):
        begun = data.feature.hear(data.counted)
        summary = models.mean_and_spread(begun.sequences, begun.mask)
        pooled = keras.Model(begun.input, summary)
        train, validation, test = (
            batches.outputs(pooled, each) for each in (data.counted, data.validation, data.test)
        )
        regression = make_pipeline(StandardScaler(), RidgeCV(_STRENGTHS))
    else:
        counts = TfidfVectorizer(token_pattern=r"\b\w+\b", ngram_range=(1, 2), sublinear_tf=True)
        train = counts.fit_transform(data.raw.train.inputs)
        validation, test = (
            counts.transform(each.inputs) for each in (data.raw.validation, data.raw.test)
        )
        regression = RidgeCV(_STRENGTHS)
    regression.fit(train, data.counted.targets.numpy())
    shape = (-1, data.counted.targets.shape[-1])  # scikit-learn drops the axis of one target
    errors = data.validation.targets.numpy() - regression.predict(validation).reshape(shape)
    return distribution.around(regression.predict(test).reshape(shape), errors)
