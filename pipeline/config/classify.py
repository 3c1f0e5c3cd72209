"""The settings of a task that tells classes apart."""

from typing import Literal

from pydantic import Field

from pipeline.config.inputs import InputConfig


class ClassifyConfig(InputConfig):
    """The settings of a task that tells classes apart."""

    label: str | None = Field(
        default=None, description="Column of the labels.  [default: inferred]"
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
