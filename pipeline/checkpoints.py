"""Checkpoints inside an epoch: how far it is, and everything that the rest of it depends on."""

import math
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from pipeline import files
from pipeline.errors import PipelineError
from pipeline.stopwatch import Stopwatch

# What NumPy and zipfile raise for a file that is not theirs.
_STUMBLES = (
    *(EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError),
    *(OverflowError, zipfile.BadZipFile, zlib.error),
)


class Position(NamedTuple):
    """Where training stands inside an epoch.

    Attributes:
        step: number of batches that are done.
        seconds: how long they took.
        waited: seconds in which training waited for them.
        state: values of every variable of the model, its optimizer and its metrics.
    """

    step: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    state: Sequence[npt.NDArray[Any]] = ()


class Checkpoints(keras.callbacks.Callback):
    """A Keras callback that starts an epoch from its checkpoint, and writes one now and then.

    The random states of layers are part of a checkpoint, and so are the sums behind the loss and
    the metrics: the epoch ends as if it had never been interrupted, to the last bit.

    Args:
        steps: number of batches of the epoch.
        path: the file; without one, the epoch starts at its first batch, and nothing is written.
        minutes: between two checkpoints; by default, none is written.

    Attributes:
        start: the position at which the epoch starts.
        stopwatch: measures how long training waits for batches.
    """

    def __init__(self, steps: int, path: Path | None = None, minutes: float = math.inf) -> None:
        super().__init__()
        self.steps = steps
        self.path = path
        self.minutes = minutes
        self.start = _read(path, steps) if path and path.exists() else Position()
        self.stopwatch = Stopwatch(self.start.waited)
        self.step = self.start.step
        self.started = self.written = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the epoch has taken, without the time in which it was interrupted."""
        return self.start.seconds + time.perf_counter() - self.started

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Restore the state, which Keras has just reset."""
        if self.start.step:
            self._restore()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write a checkpoint if it is time; at the end of the epoch, the run has its own."""
        self.step += 1
        now = time.perf_counter()
        if self.path and now - self.written >= 60 * self.minutes and self.step < self.steps:
            state = [each.numpy() for each in _variables(self.model)]
            _write(self.path, Position(self.step, self.seconds, self.stopwatch.seconds, state))
            self.written = now

    def _restore(self) -> None:
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        variables = _variables(self.model)
        wanted = [(tuple(each.shape), each.dtype) for each in variables]
        if wanted != [(each.shape, each.dtype.name) for each in self.start.state]:
            raise PipelineError(
                f"{self.path} holds the state of another model: remove it to train the epoch anew"
            )
        for variable, value in zip(variables, self.start.state, strict=True):
            variable.assign(value)


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def _write(path: Path, position: Position) -> None:
    *progress, state = position
    with files.replacing(path) as partial:
        np.savez(partial, np.array(progress, np.float64), *state)


def _read(path: Path, steps: int) -> Position:
    """Read a checkpoint inside an epoch of so many `steps`.

    Raises:
        PipelineError: it is damaged.
    """
    files.reject_irregular(path)
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            if sum(each.file_size for each in arrays.zip.infolist()) > path.stat().st_size:
                raise ValueError("it would unpack to more than its own size")
            (step, seconds, waited), *state = (arrays[name] for name in arrays.files)
            position = Position(int(step), float(seconds), float(waited), state)
            if not (0 < step < steps and 0 <= seconds < math.inf and 0 <= waited < math.inf):
                raise ValueError("it is not inside the epoch")
    except _STUMBLES as error:
        raise PipelineError(f"{path} is damaged: remove it to train the epoch anew") from error
    return position
