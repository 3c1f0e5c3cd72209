"""What the JSON files of an artifact hold. A file is read as one of these types, or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from exports.signature import Array, Forecast, Lengths, Natural, Positive, Signature, State

Format = Annotated[str, Meta(pattern="^(saved_model|onnx)$")]
Variant = Annotated[str, Meta(pattern="^(float16|int8)$")]


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
class Config:
    """`config.json`.

    Attributes:
        formats: that the directory holds.
        inputs: of the model.
        outputs: of the model.
        lengths: of the free axes, by name.
        small: the small forms of the ONNX file.
        limits: how many values each integer input may take, as far as it is known.
        streaming: of a model that can be given chunks.
        text: of a model that takes raw text.
        hearing: of a model that takes sound.
        forecast: of a model that forecasts series.
        run: the settings that the model was trained with.
    """

    formats: Annotated[Sequence[Format], Meta(min_length=1)]
    inputs: Annotated[tuple[Array, ...], Meta(min_length=1)]
    outputs: Annotated[tuple[Array, ...], Meta(min_length=1)]
    lengths: Mapping[str, Lengths] = field(default_factory=dict)
    small: Sequence[Variant] = ()
    limits: Mapping[str, Positive] = field(default_factory=dict)
    streaming: Streaming | None = None
    text: Text | None = None
    hearing: Sound | None = None
    forecast: Forecast | None = None
    run: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold the parts against each other.

        Raises:
            ValueError: if they cannot be those of one model.
        """
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
        if self.forecast:
            self._check_forecast(self.forecast)

    def _check_forecast(self, forecast: Forecast) -> None:
        columns = len((*forecast.targets, *forecast.past, *forecast.future))
        expected = {"values": columns, "known": columns}
        if forecast.future:
            expected["future"] = len(forecast.future)
        found = {each.name: each.shape[-1] for each in self.inputs}
        ahead = [each.shape[2:] for each in self.outputs]
        if found != expected or ahead != [(len(forecast.targets), 4)]:
            raise ValueError(
                f"a forecast has inputs with these numbers of columns, {expected}, and four "
                f"numbers for each target, and the model has {found} and {ahead}"
            )

    @property
    def signature(self) -> Signature:
        """Return the names, shapes and types of inputs and outputs."""
        return Signature(self.inputs, self.outputs, self.lengths)

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
    in_float32: dict[str, Natural]


@dataclass(frozen=True)
class Precision:
    """The small forms of the ONNX file beside it."""

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
    small: Precision | None
    latency: Latencies
