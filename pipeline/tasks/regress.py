"""Many to one: one number, or several, about a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import distribution
from pipeline.baselines import Baseline
from pipeline.baselines import numbers as baselines
from pipeline.config.regress import RegressConfig
from pipeline.data import columns, sequences
from pipeline.data.labelled import Labelled
from pipeline.data.table import Parse
from pipeline.distribution import DistributionLoss
from pipeline.error_analysis import ErrorAnalysis, Mistake
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.reading import Array, Explained
from pipeline.features.base import Encoded, Entrance
from pipeline.schema import Columns
from pipeline.tasks.base import Answer, Figures, Run
from pipeline.tasks.shared.inputs import Asked
from pipeline.tasks.shared.many_to_one import ManyToOne


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

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure errors, and how often the numbers are between the quantiles."""
        return distribution.score(answers, examples.targets.numpy())

    def error_analysis(
        self, config: RegressConfig, data: Encoded, answers: npt.NDArray[Any]
    ) -> ErrorAnalysis:
        """Measure the errors of the means, in standard deviations if there are several targets."""
        targets, names = data.test.targets.numpy(), data.raw.columns.targets
        scale = 1 if len(names) == 1 else distribution.deviation(data.counted.targets.numpy())
        errors = (abs(answers[..., 0] - targets) / scale).mean(-1)

        def read(place: int) -> Mistake:
            value = data.raw.test.inputs[place]
            name = f"test {data.feature.noun} {place + 1}, {data.feature.shown(value)}"
            return Mistake(name, _listed(targets[place]), _listed(answers[place, :, 0]))

        unit = names[0] if len(names) == 1 else "standard deviations"
        return ErrorAnalysis(errors, unit, data.test.lengths, data.feature.steps, read)

    def baselines(self, run: Run[RegressConfig]) -> Mapping[str, Baseline]:
        """The mean, and a linear model that does not read in order."""
        return {"mean": baselines.mean, "ridge regression": baselines.ridge}

    def answer(self, asked: Asked, outputs: Array, known: Columns) -> Answer:
        """Give the mean of each number, with the interval that eight of ten should be in."""
        told = (f"{mean:.4g} ({low:.4g} to {high:.4g})" for mean, low, _, high in outputs)
        return Answer("\t".join([*told, asked.name]))

    def columns(self, outputs: Any, known: Columns) -> Mapping[str, Sequence[Any]]:
        """Give the mean and the quantiles of each number."""
        return distribution.columns(outputs, known["targets"])

    def explain(self, known: Columns) -> Callable[[Array], Explained]:
        """Explain the mean of the first number."""
        name = known["targets"][0]

        def explained(outputs: Array) -> Explained:
            means = outputs[:, 0, 0]
            said = [f"{mean:.4g}" for mean in means]
            return Explained(
                name, lambda tensor: tensor[:, 0, 0], {name: means}, name, said, answer=said[-1]
            )

        return explained


def _listed(numbers: Array) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers)


task = Regress()
