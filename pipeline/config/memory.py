"""The settings of a task that remembers; `dataset` names the problem."""

from typing import Literal

from pydantic import Field

from pipeline.config import SampleConfig


class MemoryConfig(SampleConfig):
    """The settings of a task that remembers; `dataset` names the problem."""

    gap: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description="Steps to remember over: filler words of country, numbers of adding, blanks of "
        "copying, rows of nothing after a picture.",
    )
    initialisation: Literal["default", "chrono"] = Field(
        default="default",
        description="Where the gates start: chrono lets them remember for up to the whole length.",
    )
