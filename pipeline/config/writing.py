"""The settings of a task that writes a text for what it reads."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config import GroupConfig
from pipeline.space import Linear, Logarithmic

Unit = Literal["auto", "words", "characters"]


class WritingConfig(GroupConfig):
    """The settings of a task that writes a text for what it reads."""

    vocabulary_size: int = Field(
        default=20_000, ge=1, le=2**24, description="Most frequent tokens to know."
    )
    max_length: int = Field(
        default=200, ge=1, le=2**16, description="Tokens of a text to learn from, or to write."
    )
    embedding_dim: Annotated[int, Logarithmic(16, 256)] = Field(
        default=64, ge=1, le=8192, description="Numbers that stand for a token."
    )
    beam_width: int = Field(
        default=4, ge=1, le=1000, description="Hypotheses that the search keeps; 1 is greedy."
    )
    length_penalty: Annotated[float, Linear(0.0, 1.0)] = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Power of the length that divides a log-probability, to rank hypotheses.",
    )
    ignored: str = Field(
        default="",
        description="Characters of targets that do not count when they are compared.",
    )
    monitor: Literal["accuracy", "greedy_accuracy"] = Field(
        default="accuracy",
        description="Validation metric that decides the best epoch: right tokens, or whole texts.",
    )
