"""Many to one: which labels, none or several, belong to a sequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from exports.answers import Labels
from pipeline import models
from pipeline.baselines import Baseline
from pipeline.baselines import labels as baselines
from pipeline.config.classify import ClassifyConfig
from pipeline.data import columns
from pipeline.data.labelled import Labelled
from pipeline.data.table import Parse, Unusable
from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Finding
from pipeline.errors import PipelineError
from pipeline.examples import Data, Examples
from pipeline.explain.spec import Array, Explained, likeliest
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
from pipeline.tasks.shared.inputs import Asked
from pipeline.tasks.shared.many_to_one import ManyToOne

_LIKELY = 0.5  # a probability from which a label is held to belong to an input


class Multilabel(ManyToOne[ClassifyConfig]):
    """Tells of each label whether it belongs to a text, a recording or a sequence of vectors."""

    wanted = "classes"
    option = "labels"

    def targets(self, config: ClassifyConfig) -> list[str]:
        """Name the column of the labels.

        Raises:
            PipelineError: the user has not.
        """
        if not config.label:
            raise PipelineError("Name the column of the labels: --label COLUMN with --multilabel.")
        return [config.label]

    def classes(self, loaded: Labelled) -> list[str]:
        """Name the labels, sorted.

        Raises:
            PipelineError: there is but one, or one belongs to a single input.
        """
        splits = loaded.train, loaded.validation, loaded.test
        counts = Counter(
            label for split in splits for (labels,) in split.targets for label in labels
        )
        rare = [label for label, count in counts.items() if count < 2]
        if len(counts) < 2 or rare:
            reason = f"the label {rare[0]!r} once" if rare else "fewer than two labels"
            raise PipelineError(
                f"{loaded.name} has {reason}. Give two labels or more, each in two rows or more."
            )
        return sorted(counts)

    def parse(self, known: Columns) -> Parse:
        """Tell of each label whether it is there."""
        places = {name: place for place, name in enumerate(known["classes"])}

        def parse(value: Any) -> npt.NDArray[np.float32]:
            target = np.zeros(len(places), np.float32)
            for label in columns.to_classes(value):
                if label not in places:
                    raise Unusable(f"has {label!r}, a label that the model was not trained on")
                target[places[label]] = 1
            return target

        return parse

    def encode(self, targets: Sequence[tuple[Any, ...]]) -> Any:
        """Stack them, `[examples, labels]`."""
        return np.array([target for (target,) in targets])

    def head(self, features: Any, entrance: Entrance, config: ClassifyConfig, data: Encoded) -> Any:
        """Give each label a probability of its own."""
        logits = models.logits(features, len(data.classes), config.dropout)
        regression = entrance.regression(config.regression_weight)
        if regression is not None:
            logits = models.Vote(config.regression_weight)(logits, regression)
        return keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")(logits)

    def loss(self, config: ClassifyConfig, data: Data) -> str:
        """Cross-entropy of each label."""
        return "binary_crossentropy"

    def metrics(self, config: ClassifyConfig) -> Sequence[Any]:
        """The fraction of the labels that are right."""
        return (keras.metrics.BinaryAccuracy(name="accuracy", threshold=_LIKELY),)

    def monitor(self, config: ClassifyConfig) -> Monitor:
        """Take what the user chose."""
        return ACCURACY if config.monitor == "accuracy" else LOSS

    def score(self, predictions: npt.NDArray[Any], examples: Examples) -> Metrics:
        """Measure how often all labels are right, how many are, and the mean of their F1."""
        targets, predicted = examples.targets.numpy() > 0, predictions > _LIKELY
        return {
            "exact_matches": float((predicted == targets).all(-1).mean()),
            "accuracy": float((predicted == targets).mean()),
            "macro_f1": float(f1_score(targets, predicted, average="macro", zero_division=0)),
        }

    def error_analysis(
        self, run: Run[ClassifyConfig], data: Encoded, predictions: npt.NDArray[Any]
    ) -> list[Finding]:
        """Show how well each label is found, how sure the model is, and how many are wrong."""
        test, feature, labels = data.test, data.feature, data.classes
        targets, predicted = test.targets.numpy() > 0, predictions > _LIKELY
        wrong = (predicted != targets).sum(-1)

        def row(place: int) -> list[str]:
            shown = (_named(labels, each[place]) for each in (targets, predicted))
            return [feature.shown(data.raw.test.inputs[place]), *shown]

        sure = measure.calibration(predictions.ravel(), targets.ravel(), "labels", "are there")
        heads, unit = [feature.noun, "right is", "the model says"], "wrong labels"
        lengths = measure.by_group(test.lengths, feature.steps, wrong, f"mean error, {unit}")
        return [
            Finding("Labels", [measure.of_labels(labels, targets, predicted)]),
            Finding("Calibration", sure),
            Finding("Errors", measure.distribution(wrong, unit)),
            Finding("Length", lengths),
            Finding("Worst mistakes", [measure.worst(wrong, unit, heads, row)]),
        ]

    def baselines(self, run: Run[ClassifyConfig]) -> Mapping[str, Baseline]:
        """How frequent each label is, and a linear model that does not read in order."""
        return {"frequency": baselines.frequency, "logistic regression": baselines.logistic}

    def prediction(self, asked: Asked, outputs: Array, known: Columns) -> Prediction:
        """Give the likely labels with their probabilities."""
        likely = [place for place in outputs.argsort()[::-1] if outputs[place] > _LIKELY]
        told = ", ".join(f"{known['classes'][place]} {outputs[place]:.3f}" for place in likely)
        notes: tuple[str, ...] = ()
        if asked.targets and {*asked.targets[0]} != {known["classes"][place] for place in likely}:
            notes = (f"that is wrong: it is {', '.join(asked.targets[0]) or 'none'}",)
        return Prediction(f"{told or 'none'}\t{asked.name}", notes)

    def columns(self, outputs: Array, known: Columns) -> Mapping[str, Sequence[Any]]:
        """Give the likely labels, and the probability of each."""
        classes = known["classes"]
        name = f"predicted {known['targets'][0]}"
        likely = [";".join(_listed(classes, row > _LIKELY)) for row in outputs]
        probabilities = {
            f"probability of {label}": outputs[:, place].tolist()
            for place, label in enumerate(classes)
        }
        return {name: likely, **probabilities}

    def answer(self, data: Encoded) -> Labels:
        """Give the likely labels."""
        return Labels((_LIKELY,) * len(data.classes))

    def explain(self, value: Any, known: Columns) -> Callable[[Array], Explained]:
        """Explain the likeliest label."""
        return likeliest(known["classes"])


def _listed(classes: Sequence[str], chosen: Array) -> list[str]:
    return [label for label, is_chosen in zip(classes, chosen, strict=True) if is_chosen]


def _named(classes: Sequence[str], chosen: Array) -> str:
    return ", ".join(_listed(classes, chosen)) or "none"


task = Multilabel()
