"""What a feature is: a kind of raw value that a model can read step by step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from pipeline.data.splits import Content
from pipeline.examples import Examples
from pipeline.explain.reading import Array, Explained, Reading

Tensor = Any


class Entrance:
    """The beginning of a model. What it adds later is made later, so that layers keep their order.

    Attributes:
        input: what the model takes.
        sequences: what a recurrent layer reads of it, `[batch, time, features]`.
        mask: which steps are no padding, `[batch, time]`.
    """

    def __init__(self, input: Tensor, sequences: Tensor, mask: Tensor) -> None:
        self.input = input
        self.sequences = sequences
        self.mask = mask

    def pooled(self) -> Sequence[Tensor]:
        """Return what is known of whole sequences out of order, `[batch, features]` each."""
        return ()

    def regression(self) -> Tensor | None:
        """Return the logits of a regression that is fitted already, if there is one."""
        return None


class Feature(ABC):
    """A kind of raw value. An instance is fitted to the training examples of a run.

    Attributes:
        noun: what a value is called.
        steps: what its steps are called.
    """

    noun: ClassVar[str]
    steps: str

    @staticmethod
    @abstractmethod
    def parse(value: Any) -> Any:
        """Make a raw value of a cell of a table.

        Raises:
            Unusable: it is none.
        """

    @staticmethod
    @abstractmethod
    def content(value: Any) -> Content:
        """Say what decides which split a raw value goes to."""

    @abstractmethod
    def examples(self, values: Sequence[Any], targets: Any) -> Examples:
        """Turn raw values into what a model takes."""

    @abstractmethod
    def enter(self, config: Any, train: Examples, classes: int) -> Entrance:
        """Begin a model that tells so many classes of `train` apart; 0: it gives numbers."""

    @abstractmethod
    def read(self, typed: str) -> Any:
        """Make a raw value of what a user types.

        Raises:
            PipelineError: it cannot be understood.
        """

    @abstractmethod
    def shown(self, value: Any) -> str:
        """Write a raw value for a reader, in one line."""

    @abstractmethod
    def notes(self, value: Any) -> tuple[str, ...]:
        """Say what a reader should know about the prediction for a raw value."""

    @abstractmethod
    def explained(
        self, model: keras.Model, value: Any, explain: Callable[[Array], Explained]
    ) -> Reading:
        """Say how `model` reads a raw value step by step.

        Raises:
            PipelineError: there is nothing to read in it.
        """

    @abstractmethod
    def artifact(self, tested: Sequence[Any]) -> Mapping[str, Any]:
        """Return what `exports.export` is to put beside the model, as its keyword arguments."""
