"""Labels of steps by methods that see no further than the neighbours of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.baselines import Fit
from pipeline.config.tag import TagConfig
from pipeline.data.waiting import spinner
from pipeline.features.base import Encoded
from pipeline.features.words import Words

_ENDING = 4  # letters of the longest ending
_BESIDE = 2  # vectors on either side of a step


def most_frequent(config: TagConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """The label that each word has most often, or else the one that all steps have."""
    counts: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)
    everywhere: Counter[str] = Counter()
    for steps, (labels,) in zip(*data.raw.train, strict=True):
        everywhere.update(filter(None, labels))
        if isinstance(data.feature, Words):
            for word, label in zip(steps, labels, strict=True):
                counts[word].update(filter(None, [label]))
    places = {name: place for place, name in enumerate(data.classes)}
    chosen = [
        ((isinstance(data.feature, Words) and counts.get(step)) or everywhere).most_common(1)[0][0]
        for steps in data.raw.test.inputs
        for step in steps
    ]
    return np.eye(len(places))[[places[label] for label in chosen]]


def regression(config: TagConfig, data: Encoded, fit: Fit) -> npt.NDArray[Any]:
    """Logistic regression on a step and its neighbours, and on the endings of a word."""
    logistic = LogisticRegression(C=1.0, max_iter=1000)
    train: Any
    test: Any
    if isinstance(data.feature, Words):
        machine = make_pipeline(DictVectorizer(), logistic)
        train, test = (
            [each for words in split.inputs for each in _spelt(words)]
            for split in (data.raw.train, data.raw.test)
        )
    else:
        machine = make_pipeline(StandardScaler(), logistic)
        train, test = (
            np.concatenate([_with_neighbours(steps) for steps in split.inputs])
            for split in (data.raw.train, data.raw.test)
        )
    places = {name: place for place, name in enumerate(data.classes)}
    labels = [label for (each,) in data.raw.train.targets for label in each]
    known = [row for row, label in enumerate(labels) if label is not None]
    with spinner("Logistic regression on each step"):
        machine.fit([train[row] for row in known], [places[labels[row]] for row in known])
        predicted = machine.predict_proba(test)
    probabilities = np.zeros((len(predicted), len(data.classes)))
    probabilities[:, machine.classes_] = predicted
    return probabilities


def _spelt(words: Sequence[str]) -> list[dict[str, Any]]:
    """Describe each word: itself, its endings, how it is written, and its neighbours."""
    padded = ["", *words, ""]
    return [
        {
            "word": word,
            "lower": word.lower(),
            "before": before,
            "after": after,
            **{f"ending {count}": word[-count:] for count in range(1, _ENDING + 1)},
            "capital": word[0].isupper(),
            "digit": any(map(str.isdigit, word)),
        }
        for before, word, after in zip(padded, words, padded[2:], strict=False)
    ]


def _with_neighbours(steps: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Put the vectors on either side of each step beside its own; zeros stand beyond the ends."""
    padded = np.pad(steps, [(_BESIDE, _BESIDE), (0, 0)])
    shifts = range(2 * _BESIDE + 1)
    return np.concatenate([padded[shift : shift + len(steps)] for shift in shifts], axis=-1)
