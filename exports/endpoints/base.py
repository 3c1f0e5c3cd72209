"""What an endpoint is: one thing that an artifact can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import keras

from exports.artifact import Artifact
from exports.parity.cases import Case
from exports.parity.compare import Parity
from exports.schema import MODEL, Writing
from exports.signature import AudioFrontend, Run, Signature, State
from exports.text import TextEncoder

Function = Callable[..., dict[str, Any]]  # of tensors, in order; its outputs by name
Load = Callable[[str], Mapping[str, Run]]  # of an endpoint's name; its formats by name


@dataclass(frozen=True)
class Request:
    """What is to be exported.

    Attributes:
        model: the Keras model.
        signature: of the model.
        encoder: turns text into the ids of the model's input.
        audio_frontend: turns sound into the model's input.
        writing: how the model writes, symbol by symbol.
        streaming: whether sequences are to be given chunk by chunk.
    """

    model: keras.Model
    signature: Signature
    encoder: TextEncoder | None = None
    audio_frontend: AudioFrontend | None = None
    writing: Writing | None = None
    streaming: bool = False


class Reference(NamedTuple):
    """What is right: the model on whole sequences.

    Attributes:
        name: what computes it, such as "keras".
        run: the model.
        sensitivity: how far its outputs move by a rounding, if that can be told.
        model: the Keras model, if it is at hand.
    """

    name: str
    run: Run
    sensitivity: Run | None = None
    model: keras.Model | None = None


class Samples(NamedTuple):
    """What endpoints are compared on.

    Attributes:
        generated: sequences of many shapes.
        limits: how many values each integer input may take.
        real: real sequences, whose most probable labels must agree, too.
        texts: real texts.
    """

    generated: Sequence[Case]
    limits: Mapping[str, int]
    real: Sequence[Case] = ()
    texts: Sequence[str] = ()

    @property
    def cases(self) -> list[Case]:
        """Return all sequences, the real ones first."""
        return [*self.real, *self.generated]


class Endpoint(ABC):
    """One thing that an artifact can do. A module in `exports.endpoints` holds one as `endpoint`.

    Attributes:
        name: of its files, such as `onnx/NAME.onnx`.
        signature: names, shapes and types of what it takes and gives.
        model: the Keras model whose layers its function calls; None where an artifact is read.
        encoder: turns strings, its only input, into what `function` takes; None if it takes arrays.
        after_encoder: the endpoint that takes what the encoder gives.
        states: outputs that go in as inputs with the next call.
    """

    name: ClassVar[str]
    signature: Signature
    model: Any = None
    encoder: TextEncoder | None = None
    after_encoder: ClassVar[str] = MODEL
    states: tuple[State, ...] = ()

    @classmethod
    @abstractmethod
    def requested(cls, request: Request) -> Self | None:
        """Return the endpoint of what is to be exported; None if it has none.

        Raises:
            ExportError: if it is asked for, and the model cannot have it.
        """

    @classmethod
    @abstractmethod
    def recorded(cls, artifact: Artifact) -> Self | None:
        """Return the endpoint of an artifact, to compare its formats again; None if it has none."""

    @abstractmethod
    def function(self) -> Function:
        """Return the TensorFlow function to write, from what it takes, in order."""

    def properties(self) -> Mapping[str, str]:
        """Return what its files say of it as metadata, beside what all files say."""
        return {}

    @abstractmethod
    def compare(self, load: Load, reference: Reference, samples: Samples) -> Parity | None:
        """Compare the formats of this endpoint with the reference; None: there is nothing to.

        Args:
            load: loads an endpoint, by its name, in each format that has it.
            reference: what is right.
            samples: what to compare on.

        Raises:
            ExportError: at the first difference beyond the tolerance.
        """
