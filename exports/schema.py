"""What the JSON files of an artifact hold. A file is read as one of these types, or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from exports.answers import Answer, Forecast, Spans
from exports.signature import (
    STRING,
    Array,
    Lengths,
    Name,
    Natural,
    Positive,
    Signature,
    State,
)

# Endpoints that `Config` describes.
MODEL, STEP, TEXT, SOUND = "model", "step", "text", "sound"
ENCODE, DECODE_STEP = "encode", "decode_step"

Unit = Literal["characters", "words", "prose"]
Identifier = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]  # a module's: no path
Variant = Annotated[str, Meta(pattern="^(float16|int8)$")]


@dataclass(frozen=True)
class Ends:
    """What an endpoint takes and gives."""

    inputs: Annotated[tuple[Array, ...], Meta(min_length=1)]
    outputs: Annotated[tuple[Array, ...], Meta(min_length=1)]


@dataclass(frozen=True)
class Streaming:
    """What a step model carries from chunk to chunk."""

    states: Annotated[tuple[State, ...], Meta(min_length=1)]


@dataclass(frozen=True)
class Text:
    """How many tokens of a text are read, how many ids a batch has at least, and what is one."""

    max_length: Positive
    min_length: Positive = 1
    tokens: Literal["words", "characters"] = "words"


@dataclass(frozen=True)
class Sound:
    """How many samples a second of sound has."""

    rate: Positive


@dataclass(frozen=True)
class Source:
    """A text that a model reads before it writes.

    Attributes:
        input: the name of the ids of its tokens `[batch, time]`.
        unit: how it is cut into tokens: see `exports.runtime.tokens`.
        known: the tokens with the ids from 1 on; others have the next id. 0 is padding.
    """

    input: Name
    unit: Unit
    known: Sequence[str]


@dataclass(frozen=True)
class Writing:
    """How a model writes a text, symbol by symbol: `labels.json` has their names.

    Attributes:
        unit: how symbols are joined to a text: see `exports.runtime.tokens`.
        longest: symbols that are written, at most.
        start: the symbol before the first one; None: a model that goes on with a text.
        end: the symbol after the last one; None: a text has no end.
        never: symbols that are never written, such as padding.
        previous: the input of the symbols that were written.
        source: the text that is read, if the model reads one.
        beam: hypotheses that the search keeps, unless it is told otherwise.
        length_penalty: the power of the length that divides a log-probability.
    """

    unit: Unit
    longest: Positive
    start: Natural | None = None
    end: Natural | None = None
    never: Sequence[Natural] = (0,)
    previous: Name = "previous"
    source: Source | None = None
    beam: Positive = 4
    length_penalty: float = 0.0


@dataclass(frozen=True)
class Config:
    """`config.json`.

    Attributes:
        formats: that the directory holds.
        endpoints: what it can do, by name, beside what follows from the rest: the model, its step
            model and its model of text.
        declined: for an endpoint, the formats that do not have it, and why.
        inputs: of the model.
        outputs: of the model.
        lengths: of the free axes, by name.
        small: the precisions beside float32.
        limits: how many values each integer input may take, as far as it is known.
        streaming: of a model that can be given chunks.
        text: of a model that takes raw text.
        hearing: of a model that takes sound.
        answer: what the outputs mean.
        forecast: the answer, if it is a forecast; version 0.1 had no other.
        writing: of a model that writes a text.
        run: the settings that the model was trained with.
    """

    formats: Annotated[Sequence[Identifier], Meta(min_length=1)]
    inputs: Annotated[tuple[Array, ...], Meta(min_length=1)]
    outputs: Annotated[tuple[Array, ...], Meta(min_length=1)]
    lengths: Mapping[str, Lengths] = field(default_factory=dict)
    small: Sequence[Variant] = ()
    limits: Mapping[str, Positive] = field(default_factory=dict)
    streaming: Streaming | None = None
    text: Text | None = None
    hearing: Sound | None = None
    answer: Answer | None = None
    forecast: Forecast | None = None
    writing: Writing | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    endpoints: Mapping[Identifier, Ends] = field(default_factory=dict)
    declined: Mapping[Identifier, Mapping[Identifier, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold the parts against each other.

        Raises:
            ValueError: if they cannot be those of one model.
        """
        if any(array.dtype == STRING for array in (*self.inputs, *self.outputs)):
            raise ValueError("a model takes and gives numbers")
        if any(None in state.shape[1:] for state in self.states):
            raise ValueError("a state has a free axis beside that of the batch")
        whole = self.signature.of_steps(self.states)
        for arrays in (whole.inputs, whole.outputs):
            names = [array.name for array in arrays]
            if len(set(names)) < len(names):
                raise ValueError(f"two inputs or outputs have one name, of {names}")
        if unknown := self.limits.keys() - {each.name for each in self.inputs}:
            raise ValueError(f"the limit of {min(unknown)!r} is that of no input")
        if self.text and len(self.inputs) > 1:
            raise ValueError("text becomes the ids of one input, and there are more")
        self._check_answer()

    def _check_answer(self) -> None:
        if self.forecast and self.answer not in (None, self.forecast):
            raise ValueError("a forecast is the answer, and there is another one")
        answer = self.answer or self.forecast
        if answer:
            answer.check(self.inputs, self.outputs[0])
        if isinstance(answer, Spans) and self.text:
            raise ValueError("spans are of steps, and raw text does not tell which they are")
        object.__setattr__(self, "answer", answer)
        object.__setattr__(self, "forecast", answer if isinstance(answer, Forecast) else None)

    @property
    def signature(self) -> Signature:
        """Return the names, shapes and types of inputs and outputs."""
        return Signature(self.inputs, self.outputs, self.lengths)

    @property
    def signatures(self) -> dict[str, Signature]:
        """Return the signature of each endpoint, by name."""
        whole = self.signature
        found = {MODEL: whole}
        if self.states:
            found[STEP] = whole.of_steps(self.states)
        if self.text:
            found[TEXT] = whole.of_text()
        more = {name: Signature(ends.inputs, ends.outputs) for name, ends in self.endpoints.items()}
        return {**more, **found}

    @property
    def sound(self) -> Sound | None:
        """Return how a model takes sound, which files call `hearing`."""
        return self.hearing

    @property
    def states(self) -> tuple[State, ...]:
        """Return the states of the step model; none if there is no step model."""
        return self.streaming.states if self.streaming else ()


class Latency(TypedDict):
    """What a call of one side takes, in milliseconds, as `exports.latency.Latency` has it."""

    side: str
    batch: Positive
    p50: float
    p99: float
    calls: Positive


class Latencies(TypedDict):
    """What `exports.latency.measure` returns."""

    processor: str
    shape_of_a_row: dict[str, list[Natural]]
    milliseconds: Annotated[list[Latency], Meta(min_length=1)]


class SmallForm(TypedDict):
    """What a form of the ONNX file costs."""

    bytes: Natural
    figures: dict[str, float]
    drops: dict[str, float]
    difference: float
    in_float32: dict[str, Natural] | None


@dataclass(frozen=True)
class Precision:
    """The files of a format in each precision."""

    max_drop: float
    forms: Mapping[str, SmallForm]

    def __post_init__(self) -> None:
        """Raise ValueError unless every form has the figures of float32."""
        if "float32" not in self.forms:
            raise ValueError("the small forms are held against float32, which is missing")
        figures = self.forms["float32"]["figures"].keys()
        if any(form["figures"].keys() != figures for form in self.forms.values()):
            raise ValueError("the small forms have not the same figures")


@dataclass(frozen=True)
class Report:
    """What of `report.json` is read again."""

    sizes: Mapping[str, Natural]
    operators: Mapping[str, Natural] | None
    latency: Latencies
    precision: Mapping[str, Precision] = field(default_factory=dict)  # by format
    small: Precision | None = None  # of ONNX, in artifacts of version 0.1

    def __post_init__(self) -> None:
        """Take the place where version 0.1 had the small forms."""
        if self.small:
            object.__setattr__(self, "precision", {"onnx": self.small, **self.precision})
