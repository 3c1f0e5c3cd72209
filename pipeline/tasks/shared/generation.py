"""Tasks whose models go on with a text, token by token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.config import C
from pipeline.errors import PipelineError
from pipeline.tasks.base import D, Run, Task

Probabilities = npt.NDArray[np.floating[Any]]

_HOTTEST = 100  # where all tokens are as good as alike


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn.

    Attributes:
        temperature: below 1, likely tokens become more likely; 0 takes the likeliest.
        top_p: only the likeliest tokens that together have this probability may be drawn.
        seed: the same one draws the same.

    Raises:
        PipelineError: one of them is out of bounds.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= _HOTTEST:
            raise PipelineError(f"the temperature must be 0 to {_HOTTEST}, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise PipelineError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.seed < 0:
            raise PipelineError(f"the seed must be 0 or more, not {self.seed}")


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


def draw(probabilities: Probabilities, sampling: Sampling, random: np.random.Generator) -> int:
    """Draw a token from the probabilities of all of them, whatever these add up to."""
    if sampling.temperature == 0:
        return int(probabilities.argmax())
    with np.errstate(divide="ignore", over="ignore"):
        logarithms = np.log(probabilities.astype("float64") / probabilities.max())
        weights = np.exp(logarithms / sampling.temperature)
    order = np.argsort(-weights, kind="stable")
    ordered = weights[order] / weights.sum()
    before = np.cumsum(ordered) - ordered
    ordered[before >= sampling.top_p] = 0.0
    return int(random.choice(order, p=ordered / ordered.sum()))
