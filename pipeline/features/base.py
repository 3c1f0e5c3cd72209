"""What a feature is: a kind of input that a model can read step by step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import keras

from pipeline.config.inputs import SequenceConfig
from pipeline.data.labelled import Labelled
from pipeline.examples import Data, Examples
from pipeline.explain.spec import Array, Explained, ExplainSpec

Tensor = Any
ConfigOf = TypeVar("ConfigOf", bound=SequenceConfig)


class Entrance:
    """The beginning of a model. What it adds later is made later, so that layers keep their order.

    Attributes:
        input: what the model takes.
        sequences: what a recurrent layer reads of it, `[batch, time, features]`.
        mask: which steps are no padding, `[batch, time]`; None: there is no padding.
    """

    def __init__(self, input: Tensor, sequences: Tensor, mask: Tensor | None) -> None:
        self.input = input
        self.sequences = sequences
        self.mask = mask

    def pooled(self) -> Sequence[Tensor]:
        """Return what is known of whole sequences out of order, `[batch, features]` each."""
        return ()

    def regression(self, weight: float) -> Tensor | None:
        """Return the logits of a regression that is fitted already, if there is one."""
        return None


class Feature(ABC, Generic[ConfigOf]):
    """A kind of input. An instance is fitted to the training examples of a run.

    Attributes:
        noun: what an input is called.
        accepts: what a user may type as an input, in one line.
        numbered: whether a user may name a test example by its number.
        settings: those of the config that change how it is read.
        steps: what its steps are called.
    """

    noun: ClassVar[str]
    accepts: ClassVar[str]
    numbered: ClassVar[bool] = True
    settings: ClassVar[frozenset[str]]
    steps: str

    @classmethod
    @abstractmethod
    def fit(cls, values: Sequence[Any], config: ConfigOf) -> Self:
        """Learn what has to be known of inputs from those of the training split."""

    @classmethod
    @abstractmethod
    def restored(
        cls, fitted: Mapping[str, Any], vocabulary: Sequence[str], config: ConfigOf
    ) -> Self:
        """Make the feature that was once fitted.

        Raises:
            ExportError: the vocabulary is none.
        """

    @property
    @abstractmethod
    def fitted(self) -> dict[str, str | int | None]:
        """What `restored` needs, but for a vocabulary."""

    @property
    def vocabulary(self) -> Sequence[str]:
        """The words that the model knows, if it reads words."""
        return ()

    def more(self, values: Sequence[Any], config: ConfigOf) -> Sequence[tuple[int, Any]]:
        """Give further inputs to learn from, each with the number of the one that it is part of."""
        return ()

    @abstractmethod
    def examples(self, values: Sequence[Any], targets: Any) -> Examples:
        """Turn inputs into what a model takes."""

    @abstractmethod
    def enter(self, config: ConfigOf, train: Examples, classes: int) -> Entrance:
        """Begin a model that tells so many classes of `train` apart; 0: it gives numbers."""

    @abstractmethod
    def fault(self, model: keras.Model) -> str | None:
        """Say which file does not fit `model`, and why, if one does not."""

    @abstractmethod
    def read(self, typed: str) -> Any:
        """Make an input of what a user types.

        Raises:
            PipelineError: it cannot be understood.
        """

    @abstractmethod
    def described(self, values: Sequence[Any]) -> str:
        """Say how long inputs are."""

    @abstractmethod
    def shown(self, value: Any) -> str:
        """Write an input for a reader, in one line."""

    @abstractmethod
    def notes(self, value: Any) -> tuple[str, ...]:
        """Say what a reader should know about the prediction for an input."""

    @abstractmethod
    def explained(
        self, model: keras.Model, name: str, value: Any, explain: Callable[[Array], Explained]
    ) -> ExplainSpec:
        """Say how `model` reads an input, called `name`, step by step.

        Raises:
            PipelineError: there is nothing to read in it.
        """

    @abstractmethod
    def artifact(self, tested: Sequence[Any]) -> dict[str, Any]:
        """Return what `exports.export` is to put beside the model, as its keyword arguments."""


@dataclass(frozen=True, eq=False)
class Encoded(Data):
    """Examples with targets, encoded, and what they were.

    Attributes:
        raw: inputs and targets as they were read.
        counted: the training examples without those that `Feature.more` gave.
        classes: names of the classes; none if the targets are numbers.
        feature: what encodes the inputs.
    """

    raw: Labelled
    counted: Examples
    classes: Sequence[str]
    feature: Feature[Any]

    def places(self, labels: Sequence[tuple[str]]) -> list[int]:
        """Look up the number of each label."""
        return [self.classes.index(label) for (label,) in labels]
