"""The settings of a task that reads sequences."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config import GroupConfig
from pipeline.space import Linear, Logarithmic


class SequenceConfig(GroupConfig):
    """The settings of a task that reads sequences of any kind."""

    text: str | None = Field(
        default=None, description="Column of the texts, or of their words.  [default: inferred]"
    )
    features: str | None = Field(
        default=None,
        description="Columns of the numbers of a step, with commas between them.",
    )
    sequence_id: str | None = Field(
        default=None, description="Column that says which sequence a row is a step of."
    )
    chrono_steps: int | None = Field(
        default=None,
        ge=3,
        le=2**20,
        description="Start the gates so that units remember for up to so many steps.",
    )
    clip_state_gradient: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="Largest norm of the gradient of an example with respect to a state.",
    )
    embedding_dim: Annotated[int, Logarithmic(16, 128)] = Field(
        default=64, ge=1, le=8192, description="Numbers that stand for a word."
    )
    word_dropout: Annotated[float, Linear(0.0, 0.6)] = Field(
        default=0.0, ge=0, lt=1, description="Fraction of whole words to drop."
    )
    noise: Annotated[float, Linear(0.0, 1.0)] = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Standard deviation of the noise that training adds to vectors, which have 1.",
    )


class InputConfig(SequenceConfig):
    """The settings of a task that reads texts, recordings or sequences of vectors."""

    readout: Literal["pooled", "last"] = Field(
        default="pooled",
        description="Predict from maximum and mean of the outputs, or from the last output alone.",
    )
    tokens: Literal["auto", "words", "characters"] = Field(
        default="auto",
        description="What a text is read by; auto reads scripts without spaces by character.",
    )
    vocabulary_size: int = Field(
        default=20_000, ge=3, le=2**24, description="Most frequent words to know."
    )
    max_length: int = Field(default=400, ge=1, le=2**16, description="Words of a text to read.")
    vectors: str | None = Field(
        default=None,
        description="File of word embeddings to start from: text of GloVe, word2vec or fastText.",
    )
    bigram_buckets: int = Field(
        default=2**18, ge=1, le=2**24, description="Rows of the table of neighbouring words."
    )
    excerpts: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Sentences of each training text to learn from, too.",
    )
