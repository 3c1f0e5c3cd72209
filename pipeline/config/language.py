"""The settings of a task that reads running text."""

from typing import Annotated

from pydantic import Field

from pipeline.config import SampleConfig
from pipeline.space import Logarithmic


class LanguageConfig(SampleConfig):
    """The settings of a task that reads running text."""

    bidirectional: bool = Field(
        default=False, description="Not for this task: the next token would be seen."
    )
    vocabulary_size: int = Field(
        default=10_000, ge=3, le=2**24, description="Most frequent tokens to know."
    )
    embedding: Annotated[int, Logarithmic(16, 256)] = Field(
        default=128, ge=1, le=8192, description="Numbers that stand for a token."
    )
    window: int = Field(
        default=200, ge=1, le=2**16, description="Tokens that training reads at once."
    )
