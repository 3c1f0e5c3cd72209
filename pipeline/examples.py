"""Examples as a model takes them, and the three splits of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]
Compute = Callable[[Any], npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs, each with a target and a length. What has any length is a `tf.RaggedTensor`.

    Of several inputs, or targets, there is a dictionary, by their names in the model.
    """

    inputs: Any
    targets: Any
    lengths: Integers

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True, eq=False)
class Data:
    """The examples of a task, split. A task keeps what else it needs in a subclass.

    Attributes:
        eval_batch_size: how many examples are tested at once.
    """

    eval_batch_size: ClassVar[int] = 128

    train: Examples
    validation: Examples
    test: Examples
