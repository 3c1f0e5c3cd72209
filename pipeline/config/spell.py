"""The settings of a task that looks at pictures and writes letters."""

from pydantic import Field

from pipeline.config import SampleConfig


class SpellConfig(SampleConfig):
    """The settings of a task that looks at pictures and writes letters."""

    bidirectional: bool = Field(default=False, description="Has no meaning for what is written.")
    filters: int = Field(
        default=16, ge=1, le=1024, description="Features after the first convolution; they double."
    )
    embedding: int = Field(
        default=32, ge=1, le=8192, description="Numbers that stand for a letter."
    )
    shift: float = Field(
        default=0.1, ge=0, le=1, description="Fraction of its side that training moves a picture."
    )
    turn: float = Field(
        default=10.0, ge=0, le=180, description="Degrees that training turns a picture."
    )
    zoom: float = Field(
        default=0.1, ge=0, lt=1, description="Fraction by which training scales a picture."
    )
