"""The settings of a task that writes a text for an image."""

from typing import Annotated

from pydantic import Field

from pipeline.config.writing import Unit, WritingConfig
from pipeline.space import Linear


class CaptionConfig(WritingConfig):
    """The settings of a task that writes a text for an image."""

    image: str | None = Field(
        default=None, description="Column of the images.  [default: inferred]"
    )
    text: str | None = Field(
        default=None,
        description="Column of the captions; a list holds several right ones.  [default: inferred]",
    )
    tokens: Unit = Field(
        default="auto", description="Tokens to write: words between spaces, or characters."
    )
    size: int = Field(
        default=64, ge=4, le=512, description="Pixels that images are resized to, on each side."
    )
    bidirectional: bool = Field(default=False, description="Has no meaning for captions.")
    length_penalty: Annotated[float, Linear(0.0, 1.0)] = Field(
        default=1.0,
        ge=0,
        le=10,
        description="Power of the length that divides a log-probability, to rank hypotheses.",
    )
    filters: int = Field(
        default=16, ge=1, le=1024, description="Features after the first convolution; they double."
    )
    shift: float = Field(
        default=0.1, ge=0, le=1, description="Fraction of its side that training moves an image."
    )
    turn: float = Field(
        default=10.0, ge=0, le=180, description="Degrees that training turns an image."
    )
    zoom: float = Field(
        default=0.1, ge=0, lt=1, description="Fraction by which training scales an image."
    )
