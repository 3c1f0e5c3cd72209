"""Classifiers of texts that do not read in order: one learns embeddings, the other counts."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pipeline import batches, models
from pipeline.baselines import Fit
from pipeline.config.classify import ClassifyConfig
from pipeline.data.waiting import spinner
from pipeline.features import ngrams
from pipeline.features.base import Encoded
from pipeline.features.text import embedded


def averaged_embeddings(config: ClassifyConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """A feed-forward network over the mean of the words' embeddings: it cannot see their order."""
    config = config.model_copy(update={"learning_rate": 1e-3, "batch_size": 128, "epochs": 6})
    size = len(data.feature.vocabulary)
    words = ngrams.words(data.counted, size, len(data.classes))
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    sequences = embedded(tokens, config.embedding_dim, words)
    pooled = models.mean(sequences, ops.not_equal(tokens, 0))
    hidden = keras.layers.Dense(config.units, activation="relu")(pooled)
    logits = models.logits(hidden, len(data.classes), config.dropout)
    model = keras.Model(tokens, models.probabilities(logits), name="averaged_embeddings")
    return batches.outputs(fit(model, config), data.test)


def tf_idf(config: ClassifyConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """Logistic regression on words and bigrams, weighted by TF-IDF."""
    counts = TfidfVectorizer(
        token_pattern=r"\b\w+\b", ngram_range=(1, 2), min_df=2, sublinear_tf=True
    )
    weights = "balanced" if config.class_weights == "balanced" else None
    regression = LogisticRegression(C=30.0, max_iter=1000, class_weight=weights)
    pipeline = make_pipeline(counts, regression)
    train, test = data.raw.train, data.raw.test
    with spinner("TF-IDF of words and bigrams"):
        pipeline.fit(train.inputs, data.places(train.targets))
        known = pipeline.predict_proba(test.inputs)
    probabilities = np.zeros((len(test.inputs), len(data.classes)))
    probabilities[:, pipeline.classes_] = known
    return probabilities
