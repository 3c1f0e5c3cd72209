"""The progress bar of training: one bar for all epochs, on stderr."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline import tables

_REFRESH = 0.5  # seconds between looks at the loss, each of which waits for the step to end


class TrainingBar(keras.callbacks.Callback):
    """A Keras callback that moves a bar by one at every step and shows the loss."""

    def __init__(self, progress: Progress, title: str, *, steps: int, epochs: int, done: int):
        super().__init__()
        self.progress = progress
        self.title = title
        self.epochs = epochs
        self.bar = progress.add_task(title, total=steps * epochs, completed=steps * done, loss="")
        self.looked = 0.0

    def skip(self, steps: int) -> None:
        """Move by steps that were done before an interruption."""
        self.progress.advance(self.bar, steps)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Show which epoch it is."""
        title = f"{self.title} {epoch + 1}/{self.epochs}"
        self.progress.update(self.bar, description=title)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move by one step."""
        self.progress.advance(self.bar)
        if time.monotonic() > self.looked + _REFRESH:
            self.progress.update(self.bar, loss=f"loss {float(logs['loss']):.3f}")
            self.looked = time.monotonic()

    def report(self, figures: Mapping[str, float]) -> None:
        """Leave a line with the figures of an epoch above the bar."""
        line = f"{self.title} {figures['epoch']}/{self.epochs}: {tables.line(figures)}"
        self.progress.console.print(line, highlight=False, soft_wrap=True)


@contextmanager
def training_bar(title: str, *, steps: int, epochs: int, done: int) -> Iterator[TrainingBar]:
    """Show a bar for `epochs` of `steps` steps, `done` epochs of which are behind us."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} steps"),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # On a terminal the bar goes when it is done; elsewhere the lines of the epochs must do.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield TrainingBar(progress, title, steps=steps, epochs=epochs, done=done)
