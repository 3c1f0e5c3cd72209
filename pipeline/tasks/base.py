"""What a task is: one thing to learn from data, with everything that is its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from exports.directions import Directions
from pipeline.baselines import Baseline
from pipeline.config import C, Config, DataConfig, SampleConfig
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Data, Examples

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy.typing as npt

    from pipeline.data.table import Table
    from pipeline.error_analysis import ErrorAnalysis
    from pipeline.explain.reading import Reading
    from pipeline.schema import Columns


ConfigOf = TypeVar("ConfigOf", bound=Config, covariant=True)
D = TypeVar("D", bound=Data)
S = TypeVar("S", bound=SampleConfig)
T = TypeVar("T", bound=DataConfig)

Figures = Mapping[str, float]


class Run(Protocol[ConfigOf]):
    """What a task uses of a run, which is a `pipeline.run.Run`."""

    @property
    def path(self) -> Path:
        """The directory."""

    @property
    def config(self) -> ConfigOf:
        """The settings."""

    @property
    def columns(self) -> Columns | None:
        """Which columns of the data are read, or None if that is not known yet."""

    def keep_columns(self, columns: Columns) -> None:
        """Write which columns of the data are read."""

    @property
    def vocabulary(self) -> Sequence[str] | None:
        """The word with id k at place k, or None if there is no vocabulary yet."""

    def keep_vocabulary(self, words: Sequence[str]) -> None:
        """Write the vocabulary: the word with id k at place k."""

    @property
    def metrics(self) -> Sequence[Figures]:
        """The figures of each epoch so far."""

    def model(self) -> keras.Model:
        """Load the model after the best epoch."""


class Answer(NamedTuple):
    """A prediction for a reader, in one line, and what the reader should know about it."""

    text: str
    notes: tuple[str, ...] = ()


class Monitor(NamedTuple):
    """The metric of an epoch that decides which is the best.

    Attributes:
        metric: its name.
        mode: whether the highest or the lowest is the best.
    """

    metric: str
    mode: Literal["max", "min"]

    def rank(self, metrics: Figures) -> float:
        """Say how good an epoch was; the highest rank is the best."""
        return metrics[self.metric] if self.mode == "max" else -metrics[self.metric]


LOSS = Monitor("validation_loss", "min")
ACCURACY = Monitor("validation_accuracy", "max")


class Task(ABC, Generic[C, D]):
    """One thing to learn. A module in `pipeline.tasks` holds an instance called `task`.

    A class of the user is one by the decorator `pipeline.task`.

    Attributes:
        subject: what `predict` is asked about, in a word.
        accepts: what the user may type as a subject, in one line.
        better: whether higher or lower figures of `score` are better; by name, if not all alike.
    """

    subject: ClassVar[str]
    accepts: ClassVar[str]
    better: ClassVar[Directions] = "higher"

    def check(self, config: C) -> None:
        """Look whether everything is there that `config` names.

        Raises:
            PipelineError: the layer is not.
        """
        from pipeline import models

        models.layer(config.cell)

    def noun(self, run: Run[C]) -> str:
        """Say what `predict` is asked about, in a word."""
        return self.subject

    def class_weights(self, config: C, data: D) -> dict[int, float] | None:
        """Say how much examples of each class count, if not all alike."""
        return None

    def unused(self, config: C) -> frozenset[str]:
        """Name settings that change nothing of what is learnt from the data of `config`."""
        return frozenset()

    @abstractmethod
    def data(self, run: Run[C]) -> D:
        """Load the data of `run`. What must be kept to use the model later is written to it."""

    @abstractmethod
    def model(self, config: C, data: D) -> keras.Model:
        """Build the model, not compiled."""

    @abstractmethod
    def loss(self, config: C, data: D) -> Any:
        """Return what training makes small, for `keras.Model.compile`."""

    @abstractmethod
    def metrics(self, config: C) -> Sequence[Any]:
        """Return what is measured after each epoch, for `keras.Model.compile`."""

    def monitor(self, config: C) -> Monitor:
        """Name the metric that decides which epoch becomes the run's model: here, the loss."""
        return LOSS

    def answers(self, compute: Compute, examples: Examples) -> npt.NDArray[Any]:
        """Return what a model says about each of `examples`, in their order: here, its outputs.

        `compute` is the model, in any format: it takes the inputs of a batch, as
        `pipeline.batches.dataset` has them.
        """
        from pipeline import batches

        return batches.mapped(compute, examples)

    @abstractmethod
    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure the answers about `examples`."""

    def error_analysis(self, config: C, data: D, answers: npt.NDArray[Any]) -> ErrorAnalysis | None:
        """Say how right each of `answers` about the test split is, for the report: here, nothing.

        They may be taken apart, where one answer is about many things.
        """
        return None

    def baselines(self, run: Run[C]) -> Mapping[str, Baseline]:
        """What the model of `run` must beat, by name: here, nothing.

        A baseline is a function of config, data and `fit`, which trains a Keras model just as the
        task's own is trained. It returns answers about the test examples, for `score`.
        """
        return {}

    @abstractmethod
    def predict(self, run: Run[C], subjects: Sequence[str]) -> list[Answer]:
        """Answer by the trained model of `run` about each of `subjects`, as the user typed it.

        Raises:
            PipelineError: the run has no model, or one of `subjects` cannot be understood.
        """

    def reading(self, run: Run[C], model: keras.Model, subject: str) -> Reading:
        """Say how `model`, that of `run`, reads `subject` step by step, for `recurrent explain`.

        Raises:
            PipelineError: `subject` cannot be understood, or, as here, the task explains nothing.
        """
        raise PipelineError(f"{run.config.task} cannot be explained: it has no method `reading`.")

    def artifact(self, run: Run[C]) -> Mapping[str, Any]:
        """Return the keyword arguments of `exports.export` beside the model: here, none."""
        return {}


class SampleTask(Task[S, D]):
    """A task that knows its data sets."""

    @property
    @abstractmethod
    def datasets(self) -> Sequence[str]:
        """Names of the data sets to learn from."""

    def check(self, config: S) -> None:
        """Look whether there are such a data set and such a layer."""
        if config.dataset not in self.datasets:
            known = ", ".join(self.datasets)
            raise PipelineError(f"no data set is called {config.dataset!r}. There are {known}.")
        super().check(config)


class DataTask(Task[T, D]):
    """A task that learns from anybody's data."""

    def check(self, config: T) -> None:
        """Look whether there are such a fold and such a layer."""
        if config.fold and config.fold > config.folds:
            raise PipelineError(f"There is no fold {config.fold} of {config.folds}: see --folds.")
        super().check(config)

    def rows(self, run: Run[T], table: Table) -> Table:
        """Return a row of `table` for each example: here, each row is one."""
        return table

    @abstractmethod
    def examples(self, run: Run[T], table: Table) -> Examples:
        """Turn rows with their targets into what the model of `run` is tested on."""

    @abstractmethod
    def predictions(self, run: Run[T], table: Table) -> Table:
        """Return what the model of `run` predicts from the rows of `table` that it can read."""

    def scored(self, run: Run[T], table: Table) -> Mapping[str, Sequence[Any]]:
        """Return the columns of a file of predictions: here, those of `table`, and what is new.

        A row that is left out has empty predictions.
        """
        rows = self.rows(run, table)
        predicted = self.predictions(run, rows)
        places = {place: row for row, place in enumerate(predicted.places)}
        columns = dict(rows.columns)
        for name, values in predicted.columns.items():
            columns[name] = [
                values[places[place]] if place in places else "" for place in rows.places
            ]
        return columns
