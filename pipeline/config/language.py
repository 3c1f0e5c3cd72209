"""The settings of a task that learns from running text which token comes next."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config import GroupConfig
from pipeline.space import Logarithmic


class LanguageConfig(GroupConfig):
    """The settings of a task that learns from running text which token comes next."""

    bidirectional: bool = Field(
        default=False, description="Not for this task: the next token would be seen."
    )
    text: str | None = Field(default=None, description="Column of the texts.  [default: inferred]")
    tokens: Literal["characters", "words"] = Field(
        default="characters", description="What a text is cut into."
    )
    vocabulary_size: int = Field(
        default=10_000, ge=3, le=2**24, description="Most frequent tokens to know."
    )
    embedding_dim: Annotated[int, Logarithmic(16, 256)] = Field(
        default=128, ge=1, le=8192, description="Numbers that stand for a token."
    )
    window: int = Field(
        default=200, ge=1, le=2**16, description="Tokens that training reads at once."
    )
