"""The settings of a task that labels each step."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.inputs import SequenceConfig
from pipeline.space import Choice


class TagConfig(SequenceConfig):
    """The settings of a task that labels each step."""

    label: str | None = Field(
        default=None, description="Column of the labels of the steps.  [default: inferred]"
    )
    word_buckets: int = Field(
        default=2**15, ge=2, le=2**18, description="Rows of the table of words."
    )
    filters: Annotated[int, Choice((32, 64, 128))] = Field(
        default=64, ge=2, le=4096, description="Features of the spelling of a word."
    )
    monitor: Literal["accuracy", "loss"] = Field(
        default="accuracy",
        description="Validation metric that decides the best epoch.",
    )
