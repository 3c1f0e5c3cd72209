"""Many to one: which of several classes a sequence is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight

from exports.answers import Label
from pipeline import models
from pipeline.baselines import Baseline
from pipeline.baselines import frames as of_frames
from pipeline.baselines import text as of_texts
from pipeline.config.classify import ClassifyConfig
from pipeline.data import columns
from pipeline.data.labelled import Labelled
from pipeline.data.table import Parse, Unusable
from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Finding, Piece
from pipeline.error_analysis.measure import Choices
from pipeline.errors import PipelineError
from pipeline.examples import Data, Examples
from pipeline.explain.spec import Array, Explained, choice
from pipeline.features.base import Encoded, Entrance
from pipeline.schema import Columns
from pipeline.tasks.base import (
    ACCURACY,
    LOSS,
    Metrics,
    Monitor,
    Prediction,
    Run,
)
from pipeline.tasks.shared.inputs import Asked, known_columns
from pipeline.tasks.shared.many_to_one import ManyToOne

_SURE = 0.9  # a probability from which the next likely class is not worth a word


class Classify(ManyToOne[ClassifyConfig]):
    """Tells which class a text, a recording or a sequence of vectors is of."""

    wanted = "class"
    option = "label"

    def targets(self, config: ClassifyConfig) -> list[str]:
        """Name the column of the labels."""
        return [config.label] if config.label else []

    def classes(self, loaded: Labelled) -> list[str]:
        """Name the classes: in the order that the source declares, or else sorted.

        Raises:
            PipelineError: there is but one, or one has too few examples.
        """
        if loaded.classes:
            return list(loaded.classes)
        splits = loaded.train, loaded.validation, loaded.test
        counts = Counter(label for split in splits for (label,) in split.targets)
        if len(counts) < 2:
            (only,) = counts
            raise PipelineError(
                f"{loaded.name} has one label, {only!r}, in all rows. Give two classes or more."
            )
        rare = [label for label, count in counts.items() if count < 2]
        if rare:
            raise PipelineError(
                f"{loaded.name} has the label {rare[0]!r} once. Give each class two examples or "
                "more, or remove the row."
            )
        numbers = sorted(filter(str.isdecimal, counts), key=int)
        return [*numbers, *sorted(label for label in counts if not label.isdecimal())]

    def parse(self, known: Columns) -> Parse:
        """Look up the number of a label."""
        return partial(_place, {name: place for place, name in enumerate(known["classes"])})

    def encode(self, targets: Sequence[tuple[Any, ...]]) -> list[int]:
        """Take the one number."""
        return [number for (number,) in targets]

    def head(self, features: Any, entrance: Entrance, config: ClassifyConfig, data: Encoded) -> Any:
        """Give each class a probability."""
        logits = models.logits(features, len(data.classes), config.dropout)
        regression = entrance.regression(config.regression_weight)
        if regression is not None:
            logits = models.Vote(config.regression_weight)(logits, regression)
        return models.probabilities(logits)

    def loss(self, config: ClassifyConfig, data: Data) -> str:
        """Cross-entropy."""
        return "sparse_categorical_crossentropy"

    def metrics(self, config: ClassifyConfig) -> Sequence[str]:
        """Accuracy."""
        return ("accuracy",)

    def monitor(self, config: ClassifyConfig) -> Monitor:
        """Take what the user chose."""
        return ACCURACY if config.monitor == "accuracy" else LOSS

    def class_weights(self, config: ClassifyConfig, data: Encoded) -> dict[int, float] | None:
        """Let all classes count alike, if the user wants that."""
        if config.class_weights == "none":
            return None
        targets = data.train.targets.numpy()
        weights = compute_class_weight("balanced", classes=np.unique(targets), y=targets)
        return dict(zip(np.unique(targets).tolist(), weights.tolist(), strict=True))

    def score(self, predictions: npt.NDArray[Any], examples: Examples) -> Metrics:
        """Measure accuracy, and the mean of the F1 of all classes."""
        targets, predicted = examples.targets.numpy(), predictions.argmax(-1)
        labels = range(predictions.shape[-1])
        f1 = f1_score(targets, predicted, labels=labels, average="macro", zero_division=0)
        return {"accuracy": float((predicted == targets).mean()), "macro_f1": float(f1)}

    def error_analysis(
        self, run: Run[ClassifyConfig], data: Encoded, predictions: npt.NDArray[Any]
    ) -> list[Finding]:
        """Show which classes are taken for which, how sure the model is, and its worst mistakes."""
        test, raw, feature = data.test, data.raw.test, data.feature
        choices = Choices(data.classes, test.targets.numpy(), predictions)

        def shown(place: int) -> str:
            value = raw.inputs[place]
            if not feature.numbered:
                return str(value)
            return f"test {feature.noun} {place + 1}, {feature.shown(value)}"

        def excerpt(place: int) -> list[Piece]:
            return [Piece(measure.shortened(shown(place)))]

        def row(place: int) -> list[str]:
            return [shown(place), *choices.told(place)]

        heads = [feature.noun, "right is", "the model says"]
        lengths = measure.by_group(test.lengths, feature.steps, choices.right, "accuracy")
        return [
            *measure.of_choices(choices, f"{feature.noun}s", excerpt),
            Finding("Length", lengths),
            Finding("Worst mistakes", [measure.worst(choices.errors, "nats", heads, row)]),
        ]

    def baselines(self, run: Run[ClassifyConfig]) -> Mapping[str, Baseline]:
        """Two that do not read in order."""
        if known_columns(run)["kind"] == "text":
            return {
                "averaged embeddings": of_texts.averaged_embeddings,
                "TF-IDF of words and bigrams": of_texts.tf_idf,
            }
        return {
            "feed-forward network": of_frames.feed_forward,
            "support vectors": of_frames.support_vectors,
        }

    def prediction(self, asked: Asked, outputs: Array, known: Columns) -> Prediction:
        """Give the most probable class and its probability."""
        classes = known["classes"]
        *_, second, first = outputs.argsort()
        notes = []
        if asked.targets not in (None, (classes[first],)):
            notes.append(f"that is wrong: it is {', '.join(asked.targets)}")
        if outputs[first] < _SURE and len(classes) > 2:
            notes.append(f"next likely is {classes[second]}, {outputs[second]:.3f}")
        return Prediction(f"{classes[first]}\t{outputs[first]:.3f}\t{asked.name}", tuple(notes))

    def columns(self, outputs: Any, known: Columns) -> Mapping[str, Sequence[Any]]:
        """Give the most probable class of each row, and its probability."""
        best = [known["classes"][place] for place in outputs.argmax(-1)]
        return {f"predicted {known['targets'][0]}": best, "probability": outputs.max(-1)}

    def answer(self, data: Encoded) -> Label:
        """Give the most probable class."""
        return Label()

    def explain(self, value: Any, known: Columns) -> Callable[[Array], Explained]:
        """Explain the most probable class."""
        return choice(known["classes"])


def _place(places: Mapping[str, int], value: Any) -> int:
    """Look up the number of a label.

    Raises:
        Unusable: the model does not know it.
    """
    label = columns.to_class(value)
    if label not in places:
        raise Unusable(f"is {label!r}, a class that the model was not trained on")
    return places[label]


task = Classify()
