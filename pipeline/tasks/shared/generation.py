"""Tasks whose models go on with a text, token by token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from exports.runtime.generation import Sampling
from pipeline.config import C
from pipeline.tasks.base import D, Run, Task


class Continuation(NamedTuple):
    """A text that goes on: each piece is there once it is drawn.

    Attributes:
        pieces: of the text, without end.
        notes: what the reader should know about the beginning.
    """

    pieces: Iterator[str]
    notes: tuple[str, ...]


class Generator(Task[C, D]):
    """A task whose model can go on with a text."""

    @abstractmethod
    def generate(self, run: Run[C], prompt: str, sampling: Sampling) -> Continuation:
        """Go on with `prompt` by the trained model of `run`.

        Raises:
            PipelineError: the run has no model, or is damaged.
        """
