"""What a network must beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.config import Config

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt

# Trains a model of Keras as a task trains its own.
Fit = Callable[["keras.Model", Config], "keras.Model"]
# Makes predictions about the test split of a config, its data and `Fit`.
Baseline = Callable[[Any, Any, Fit], "npt.NDArray[Any]"]
