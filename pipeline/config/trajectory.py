"""The settings of a task that follows a ball."""

from typing import Annotated

from pydantic import Field

from pipeline.config import SampleConfig
from pipeline.space import Logarithmic


class TrajectoryConfig(SampleConfig):
    """The settings of a task that follows a ball."""

    window: Annotated[int, Logarithmic(4, 50)] = Field(
        default=8, ge=2, le=1000, description="Last positions to look at."
    )
    simulated: int = Field(
        default=0, ge=0, le=2**20, description="Windows of simulated football to learn from, too."
    )
