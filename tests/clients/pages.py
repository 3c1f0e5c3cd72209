"""Steps that a reader takes on a page, and what they show."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from exports.artifact import Artifact

ROUNDING = 6e-5  # of four decimals, and of float32

Step = tuple[Any, ...]
Visit = Callable[[Artifact, Sequence[Step]], list[Any]]


def texts(selector: str) -> Step:
    return ("allTextContents", selector)


def numbers(shown: Sequence[str]) -> np.ndarray:
    return np.array([text.replace("−", "-") for text in shown], float)


def states(place: int) -> Step:
    """The numbers of a picture of the state."""
    return texts(f"#states figure:nth-of-type({place}) td")
