"""The settings of a task that tells numbers."""

from pydantic import Field

from pipeline.config.inputs import InputConfig


class RegressConfig(InputConfig):
    """The settings of a task that tells numbers."""

    target: str | None = Field(
        default=None,
        description="Columns of the numbers, with commas between them.  [default: inferred]",
    )
