"""Many to one: one number, or several, about a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exports.answers import Numbers
from pipeline import distribution
from pipeline.baselines import Baseline
from pipeline.baselines import numbers as baselines
from pipeline.config.regress import RegressConfig
from pipeline.data import columns, sequences
from pipeline.data.labelled import Labelled
from pipeline.data.table import Parse
from pipeline.distribution import DistributionLoss
from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Finding
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.spec import Array, Explained, mean_of
from pipeline.features.base import Encoded, Entrance
from pipeline.schema import Columns
from pipeline.tasks.base import Metrics, Prediction, Run
from pipeline.tasks.shared.inputs import Asked
from pipeline.tasks.shared.many_to_one import ManyToOne

_DRAWN = 4  # numbers whose predictions are drawn


class Regress(ManyToOne[RegressConfig]):
    """Tells numbers about a text, a recording or a sequence of vectors: mean and quantiles."""

    better = distribution.BETTER
    wanted = "number"
    option = "target"

    def targets(self, config: RegressConfig) -> list[str]:
        """Name the columns of the numbers."""
        return sequences.names(config.target or "")

    def classes(self, loaded: Labelled) -> list[str]:
        """There are none.

        Raises:
            PipelineError: a number is the same in all training rows.
        """
        for place, name in enumerate(loaded.columns.targets):
            if len({each[place] for each in loaded.train.targets}) == 1:
                raise PipelineError(
                    f"{name} is {loaded.train.targets[0][place]:g} in all training rows of "
                    f"{loaded.name}. Name another column with --target."
                )
        return []

    def parse(self, known: Columns) -> Parse:
        """Take values for numbers."""
        return columns.to_number

    def encode(self, targets: Sequence[tuple[Any, ...]]) -> Any:
        """Take the numbers as they are."""
        return np.array(targets, np.float32)

    def head(self, features: Any, entrance: Entrance, config: RegressConfig, data: Encoded) -> Any:
        """Predict mean and quantiles of each number."""
        targets = data.counted.targets.numpy()
        deviation = distribution.deviation(targets)
        return distribution.head(features, targets.mean(0), deviation, config.dropout)

    def loss(self, config: RegressConfig, data: Encoded) -> DistributionLoss:
        """Squared error of the mean, and pinball loss of the quantiles."""
        targets = data.counted.targets.numpy()
        return DistributionLoss(distribution.deviation(targets).tolist())

    def metrics(self, config: RegressConfig) -> Sequence[str]:
        """None but the loss."""
        return ()

    def score(self, predictions: npt.NDArray[Any], examples: Examples) -> Metrics:
        """Measure errors, and how often the numbers are between the quantiles."""
        return distribution.score(predictions, examples.targets.numpy())

    def error_analysis(
        self, run: Run[RegressConfig], data: Encoded, predictions: npt.NDArray[Any]
    ) -> list[Finding]:
        """Hold predicted numbers and their intervals against the true ones.

        The errors are those of the means, in standard deviations if there are several numbers.
        """
        targets, names = data.test.targets.numpy(), data.raw.columns.targets
        scale = 1 if len(names) == 1 else distribution.deviation(data.counted.targets.numpy())
        errors = (abs(predictions[..., 0] - targets) / scale).mean(-1)
        unit = names[0] if len(names) == 1 else "standard deviations"
        test, feature = data.test, data.feature

        def row(place: int) -> list[str]:
            name = f"test {feature.noun} {place + 1}, {feature.shown(data.raw.test.inputs[place])}"
            told = "; ".join(map(distribution.told, predictions[place]))
            return [name, _listed(targets[place]), told]

        drawn = [
            measure.agreement(name, targets[:, place], predictions[:, place])
            for place, name in enumerate(names[:_DRAWN])
        ]
        heads = [feature.noun, "right is", "the model says, with its interval"]
        lengths = measure.by_group(test.lengths, feature.steps, errors, f"mean error, {unit}")
        return [
            Finding("Predicted and true", drawn),
            Finding("Intervals", [measure.intervals(names, targets, predictions)]),
            Finding("Errors", measure.distribution(errors, unit)),
            Finding("Length", lengths),
            Finding("Worst mistakes", [measure.worst(errors, unit, heads, row)]),
        ]

    def baselines(self, run: Run[RegressConfig]) -> Mapping[str, Baseline]:
        """The mean, and a linear model that does not read in order."""
        return {"mean": baselines.mean, "ridge regression": baselines.ridge}

    def prediction(self, asked: Asked, outputs: Array, known: Columns) -> Prediction:
        """Give the mean of each number, with the interval that eight of ten should be in."""
        return Prediction("\t".join([*map(distribution.told, outputs), asked.name]))

    def columns(self, outputs: Any, known: Columns) -> Mapping[str, Sequence[Any]]:
        """Give the mean and the quantiles of each number."""
        return distribution.columns(outputs, known["targets"])

    def answer(self, data: Encoded) -> Numbers:
        """Give the mean of each number, and its interval."""
        return Numbers(tuple(data.raw.columns.targets), distribution.LEVEL)

    def explain(self, value: Any, known: Columns) -> Callable[[Array], Explained]:
        """Explain the mean of the first number."""
        name, *_ = known["targets"]

        def answer(outputs: Array) -> str:
            return ", ".join(distribution.each_told(known["targets"], outputs))

        return mean_of(name, name, lambda outputs: outputs[:, 0], answer)


def _listed(numbers: Array) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers)


task = Regress()
