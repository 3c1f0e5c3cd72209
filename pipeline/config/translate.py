"""The settings of a task that turns words into words."""

from pydantic import Field

from pipeline.config import SampleConfig


class TranslateConfig(SampleConfig):
    """The settings of a task that turns words into words."""

    vocabulary_size: int = Field(
        default=12_000, ge=4, le=2**24, description="Most frequent words of both languages to know."
    )
    embedding: int = Field(default=128, ge=1, le=8192, description="Numbers that stand for a word.")
