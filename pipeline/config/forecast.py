"""The settings of a task that tells how series go on."""

from typing import Annotated

from pydantic import Field

from pipeline.config import SplitConfig
from pipeline.space import Logarithmic


class ForecastConfig(SplitConfig):
    """The settings of a task that tells how series go on."""

    time: str | None = Field(
        default=None, description="Column of the time stamps.  [default: inferred]"
    )
    target: str | None = Field(
        default=None,
        description="Columns to forecast, with commas between them.  [default: inferred]",
    )
    past_covariates: str | None = Field(
        default=None, description="Columns that are known until now, with commas between them."
    )
    future_covariates: str | None = Field(
        default=None, description="Columns that are known in advance, with commas between them."
    )
    series_id: str | None = Field(
        default=None, description="Column that says which series a row is of."
    )
    window: Annotated[int, Logarithmic(8, 512)] = Field(
        default=96, ge=1, le=2**16, description="Last steps to look at."
    )
    horizon: int = Field(default=24, ge=1, le=2**12, description="Steps ahead to forecast.")
    season: int | None = Field(
        default=None,
        ge=1,
        le=2**20,
        description="Steps after which a series repeats itself.  [default: inferred]",
    )
