"""The settings of a task that turns letters into phonemes."""

from pydantic import Field

from pipeline.config import SampleConfig


class PronounceConfig(SampleConfig):
    """The settings of a task that turns letters into phonemes."""

    embedding: int = Field(
        default=64, ge=1, le=8192, description="Numbers that stand for a letter or a phoneme."
    )
