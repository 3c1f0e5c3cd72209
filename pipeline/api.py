"""The pipeline from Python: `from pipeline import classify; classify.train("tickets.csv")`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, final

import pyarrow as pa
from pyarrow import parquet

import exports
from pipeline import config as configs
from pipeline import export, files, folds, recipes
from pipeline import train as training
from pipeline.data.cache import cache_directory
from pipeline.errors import PipelineError
from pipeline.run import Run, default_path
from pipeline.tasks.base import Metrics, Prediction


@final
@dataclass(frozen=True)
class Trained:
    """A trained model in its run directory."""

    run: Run[Any]

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.run.path

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """Predict from each input."""
        return self.run.task.predict(self.run, inputs)

    def evaluate(self, data: Any = None) -> Metrics:
        """Measure the model on the test split, or on other data."""
        if data is None:
            figures: Metrics = training.evaluate(self.run, {})["model"]
            return figures
        return training.evaluate_on(self.run, _named(data))

    def export(self, directory: str | PathLike[str], **options: Any) -> exports.Artifact:
        """Write the model as files for others, and prove that they agree: `pipeline.export`."""
        return export.export(self.run, Path(directory), **options)


@final
@dataclass(frozen=True)
class Learner:
    """One kind of problem, such as `classify`.

    Attributes:
        task: its name.
    """

    task: str

    def train(
        self,
        data: Any,
        *,
        run: str | PathLike[str] | None = None,
        tensorboard: bool = False,
        checkpoint_minutes: float = math.inf,
        **settings: Any,
    ) -> Trained:
        """Train a model on `data`, or go on with a run that was stopped.

        Args:
            data: what `--data` takes; a mapping of columns; a pandas DataFrame; or a
                `tf.data.Dataset` of mappings. What is in memory is kept in the cache directory.
            run: run directory; by default, one in runs/, named after the settings.
            tensorboard: whether to write curves for TensorBoard to the run, too.
            checkpoint_minutes: between two checkpoints inside an epoch; by default, there are none.
            settings: those of the command line, such as `text="body"`.

        Returns:
            The model; of several folds, that of the last one.

        Raises:
            PipelineError: a setting, the data or the directory will not do.
        """
        preset = recipes.get(self.task).presets[self.task]()
        config = configs.merge(preset, {**settings, "data": _named(data)})
        path = Path(run) if run else default_path(config)
        options: dict[str, Any] = {
            "tensorboard": tensorboard,
            "checkpoint_minutes": checkpoint_minutes,
        }
        if folds.are_wanted(config):
            return Trained(folds.measure(path, config, **options)[-1])
        made = Run.create(path, config)
        training.train(made, **options)
        return Trained(made)


def _named(data: Any) -> str:
    """Return what `--data` takes. A table in memory becomes a file, named after its content."""
    if isinstance(data, str | PathLike):
        return str(Path(data)) if isinstance(data, PathLike) else data
    try:
        table = pa.table(_columns(data))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise PipelineError(
            f"{type(data).__name__} is not data: give a path, a mapping of columns, a DataFrame or "
            f"a tf.data.Dataset of mappings ({error})"
        ) from error
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    content = sink.getvalue().to_pybytes()
    path = cache_directory() / "tables" / f"{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as partial:
        partial.write_bytes(content)
    return str(path)


def _columns(data: Any) -> Mapping[str, Sequence[Any]]:
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        columns: Mapping[str, Sequence[Any]] = data.to_dict("list")
        return columns
    if hasattr(data, "as_numpy_iterator"):
        rows = list(data.as_numpy_iterator())
        return {name: [_plain(row[name]) for row in rows] for name in (rows[0] if rows else ())}
    if not isinstance(data, Mapping):
        raise TypeError("it has no columns")
    return {name: [_plain(value) for value in values] for name, values in data.items()}


def _plain(value: Any) -> Any:
    """Return a value of NumPy or TensorFlow as one of Python."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return value.decode() if isinstance(value, bytes) else value
