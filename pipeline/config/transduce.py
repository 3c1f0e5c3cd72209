"""The settings of a task that writes a text for a text."""

from pydantic import Field

from pipeline.config.writing import Unit, WritingConfig


class TransduceConfig(WritingConfig):
    """The settings of a task that writes a text for a text."""

    source: str | None = Field(
        default=None, description="Column of the texts to read.  [default: inferred]"
    )
    target: str | None = Field(
        default=None,
        description="Column of the texts to write; a list holds several right ones.  "
        "[default: inferred]",
    )
    source_tokens: Unit = Field(
        default="auto", description="Tokens to read: words between spaces, or characters."
    )
    target_tokens: Unit = Field(
        default="auto", description="Tokens to write: words between spaces, or characters."
    )
