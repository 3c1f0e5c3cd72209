"""What a task is: one thing to learn from data, with everything that is its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from exports.directions import Directions
from pipeline.baselines import Baseline
from pipeline.config import C, Config, DataConfig
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Data, Examples

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy.typing as npt

    from pipeline.data.table import Table
    from pipeline.error_analysis.findings import Finding
    from pipeline.explain.spec import ExplainSpec
    from pipeline.schema import Columns


ConfigOf = TypeVar("ConfigOf", bound=Config, covariant=True)
D = TypeVar("D", bound=Data)
T = TypeVar("T", bound=DataConfig)

Metrics = Mapping[str, float]


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
    def metrics(self) -> Sequence[Metrics]:
        """The figures of each epoch so far."""

    def model(self) -> keras.Model:
        """Load the model after the best epoch."""


class Prediction(NamedTuple):
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

    def rank(self, metrics: Metrics) -> float:
        """Say how good an epoch was; the highest rank is the best."""
        return metrics[self.metric] if self.mode == "max" else -metrics[self.metric]


LOSS = Monitor("validation_loss", "min")
ACCURACY = Monitor("validation_accuracy", "max")


class Task(ABC, Generic[C, D]):
    """One thing to learn. A module in `pipeline.tasks` holds an instance called `task`.

    A class of the user is one by the decorator `pipeline.task`.

    Attributes:
        input_noun: what `predict` is asked about, in a word.
        accepts: what the user may type as an input, in one line.
        better: whether higher or lower figures of `score` are better; by name, if not all alike.
    """

    input_noun: ClassVar[str]
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
        return self.input_noun

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

    def compute(self, model: keras.Model) -> Compute:
        """Return `model` as `predictions` calls it: here, a function of the inputs of a batch."""
        from pipeline import batches

        return batches.compute(model)

    def predictions(self, compute: Compute, examples: Examples) -> npt.NDArray[Any]:
        """Return what a model says about each of `examples`, in their order: here, its outputs.

        `compute` is the model, in any format: it takes the inputs of a batch, as
        `pipeline.batches.dataset` has them.
        """
        from pipeline import batches

        return batches.mapped(compute, examples)

    @abstractmethod
    def score(self, predictions: npt.NDArray[Any], examples: Examples) -> Metrics:
        """Measure the predictions for `examples`."""

    def error_analysis(
        self, run: Run[C], data: D, predictions: npt.NDArray[Any]
    ) -> Sequence[Finding]:
        """Say how right single predictions for the test split are, for the report: here, nothing.

        `pipeline.error_analysis.measure` makes findings that several tasks have.
        """
        return ()

    def baselines(self, run: Run[C]) -> Mapping[str, Baseline]:
        """What the model of `run` must beat, by name: here, nothing.

        A baseline is a function of config, data and `fit`, which trains a Keras model just as the
        task's own is trained. It returns predictions for the test examples, for `score`.
        """
        return {}

    @abstractmethod
    def predict(self, run: Run[C], inputs: Sequence[str]) -> list[Prediction]:
        """Predict with the trained model of `run` from each of `inputs`, as the user typed it.

        Raises:
            PipelineError: the run has no model, or one of `inputs` cannot be understood.
        """

    def explain_spec(self, run: Run[C], model: keras.Model, input: str) -> ExplainSpec:
        """Say how `model`, that of `run`, reads `input` step by step, for `recurrent explain`.

        Raises:
            PipelineError: `input` cannot be understood, or, as here, the task explains nothing.
        """
        raise PipelineError(
            f"{run.config.task} cannot be explained: it has no method `explain_spec`."
        )

    def artifact(self, run: Run[C]) -> Mapping[str, Any]:
        """Return the keyword arguments of `exports.export` beside the model: here, none."""
        return {}


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
    def predict_table(self, run: Run[T], table: Table) -> Table:
        """Return what the model of `run` predicts from the rows of `table` that it can read."""

    def scored(self, run: Run[T], table: Table) -> Mapping[str, Sequence[Any]]:
        """Return the columns of a file of predictions: here, those of `table`, and what is new.

        A row that is left out has empty predictions.
        """
        rows = self.rows(run, table)
        predicted = self.predict_table(run, rows)
        places = {place: row for row, place in enumerate(predicted.places)}
        columns = dict(rows.columns)
        for name, values in predicted.columns.items():
            columns[name] = [
                values[places[place]] if place in places else "" for place in rows.places
            ]
        return columns
