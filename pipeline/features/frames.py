"""What features have in common whose steps are vectors, given or made in the model."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from pipeline import batches, files
from pipeline.config.inputs import SequenceConfig
from pipeline.data import store
from pipeline.data.table import Unusable
from pipeline.examples import Examples
from pipeline.explain import spec
from pipeline.explain.spec import Array, Explained, ExplainSpec
from pipeline.features.base import Entrance, Feature, Tensor

SCALE = "scale"  # the layer that gives vectors a mean of 0 and a standard deviation of 1

_COMPARED = 1000  # test inputs that the exported formats are compared on, at most
_MOST_STEPS = 2**16  # of a user's file


class Frames(Feature[SequenceConfig]):
    """Sequences of vectors. Zeros at the end of a sequence are padding."""

    settings = frozenset({"noise"})

    @abstractmethod
    def begin(self, train: Examples) -> Entrance:
        """Begin a model whose scale is that of `train`."""

    def enter(self, config: SequenceConfig, train: Examples, classes: int) -> Entrance:
        """Begin a model; training adds noise to the vectors."""
        begun = self.begin(train)
        noisy = keras.layers.GaussianNoise(config.noise)(begun.sequences)
        return Entrance(begun.input, noisy, begun.mask)

    def examples(self, values: Sequence[Any], targets: Any) -> Examples:
        """Take the vectors as they are."""
        vectors = store.ragged(self.steps, values, (), iter, like=values[0][:0])
        return batches.examples(vectors, targets)

    def artifact(self, tested: Sequence[Any]) -> dict[str, Any]:
        """Compare the files on inputs of the test split."""
        return compared(self, tested)


def compared(feature: Feature[Any], tested: Sequence[Any]) -> dict[str, Any]:
    """Return inputs that the exported formats are compared on, as `export` takes them."""
    few = tested[:_COMPARED]
    examples = feature.examples(few, np.zeros(len(few)))
    ((inputs, _),) = batches.dataset(examples, [np.arange(len(few))])
    return {"examples": inputs.numpy()}


def scaled(vectors: Tensor, mean: npt.NDArray[Any], deviation: npt.NDArray[Any]) -> Tensor:
    """Give vectors of this mean and standard deviation those of 0 and 1."""
    layer = keras.layers.Rescaling(
        (1 / deviation).tolist(), (-mean / deviation).tolist(), name=SCALE
    )
    return layer(vectors)


def filled(vectors: Tensor) -> Tensor:
    """Say which steps are not padding, `[batch, time]`: all but the zeros at the end."""
    places = ops.cumsum(ops.ones_like(vectors[:, :, 0], dtype="int32"), axis=1)
    given = ops.any(ops.not_equal(vectors, 0.0), axis=-1)
    length = ops.max(ops.where(given, places, 0), axis=1, keepdims=True)
    return ops.less_equal(places, length)


def read_step_by_step(
    model: keras.Model,
    name: str,
    vectors: Array,
    steps: Sequence[str],
    feature: Frames,
    number: str,
    explain: Callable[[Array], Explained],
) -> ExplainSpec:
    """Say how `model` reads vectors.

    Args:
        model: takes vectors.
        name: what they are called.
        vectors: `[steps, numbers]`.
        steps: what each step is.
        feature: what they are of.
        number: what one of the numbers is called.
        explain: says what of the predictions is explained.
    """
    (symbolic,) = model.inputs
    return ExplainSpec(
        model=model,
        name=name,
        inputs={symbolic.name: vectors[None]},
        time=symbolic.name,
        steps=steps,
        noun=feature.steps,
        running=spec.after_prefixes,
        explain=explain,
        view=spec.Vectors(vectors, number),
        source=symbolic.name,
    )


def read_array(path: Path) -> npt.NDArray[Any]:
    """Read the array in a `.npy` file.

    Raises:
        Unusable: it is damaged, or too large.
        PipelineError: there is no such file.
    """
    files.reject_irregular(path)
    try:
        values = np.lib.format.open_memmap(path, mode="r")  # no more than the file has
    except (MemoryError, OSError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise Unusable("is damaged or holds no array") from error
    if values.ndim != 2 or not 0 < len(values) <= _MOST_STEPS or values.dtype.kind not in "fiu":
        raise Unusable(f"holds {values.dtype} of the shape {list(values.shape)}")
    return values
