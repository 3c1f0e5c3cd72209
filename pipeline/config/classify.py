"""The settings of a task that tells classes apart."""

from typing import Literal

from pydantic import Field

from pipeline.config.inputs import InputConfig


class ClassifyConfig(InputConfig):
    """The settings of a task that tells classes apart."""

    label: str | None = Field(
        default=None, description="Column of the labels.  [default: inferred]"
    )
    multilabel: bool = Field(
        default=False,
        description="An input has none or several labels: a list, or with semicolons between them.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="Whether all examples count alike, or all classes."
    )
    regression_weight: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share in the prediction of a logistic regression on words and bigrams.",
    )
    monitor: Literal["accuracy", "loss"] = Field(
        default="accuracy",
        description="Validation metric that decides the best epoch.",
    )

    @property
    def kind(self) -> str:
        """The module in `pipeline.tasks` that learns with these settings."""
        return "multilabel" if self.multilabel else self.task
