"""What is known of inputs without their order, as scikit-learn takes it."""

from typing import Any

import keras
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler

from pipeline import batches, models
from pipeline.features.base import Encoded
from pipeline.features.frames import Frames


def summaries(data: Encoded) -> tuple[Any, Any, Any]:
    """Return TF-IDF of words and bigrams, or mean and standard deviation, of each split."""
    if isinstance(data.feature, Frames):
        begun = data.feature.begin(data.counted)
        pooled = keras.Model(begun.input, models.mean_and_spread(begun.sequences, begun.mask))
        found = [
            batches.outputs(pooled, each) for each in (data.counted, data.validation, data.test)
        ]
        scaler = StandardScaler().fit(found[0])
        train, validation, test = map(scaler.transform, found)
        return train, validation, test
    counts = TfidfVectorizer(token_pattern=r"\b\w+\b", ngram_range=(1, 2), sublinear_tf=True)
    train = counts.fit_transform(data.raw.train.inputs)
    return train, *(counts.transform(each.inputs) for each in (data.raw.validation, data.raw.test))
