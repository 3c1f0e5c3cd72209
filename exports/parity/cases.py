"""What formats are compared on: inputs of many shapes, with each kind of padding, and real data."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from exports.signature import Array, Arrays, Signature


class Case(NamedTuple):
    """Inputs to compare on, and whether they are real data, whose labels must agree."""

    name: str
    inputs: Arrays
    real: bool = False


# Batch and time of the generated cases, none of which conversion has seen.
_SHAPES = ((1, 1), (1, 37), (3, 1), (5, 17))
_LONG_SHAPES = ((2, 301), (7, 64))  # with all paddings in a batch, as many steps take long
_WIDEST = 8  # of axes from the third on
_NUMBERS = 2**17  # of an input, at most


def grid(signature: Signature, limits: Mapping[str, int], seed: int = 0) -> list[Case]:
    """Generate inputs: each shape of the grid, full and with each kind of padding.

    Axes that have a name of their own are shorter or longer than the first. Where the batch is
    free, rows with each padding share a batch in the long shapes.

    Args:
        signature: of the model.
        limits: for integer inputs, how many values an input may take; 0 is padding.
        seed: of the generated numbers.
    """
    generator = np.random.default_rng(seed)
    cases = []
    for (batch, time), paddings in _shapes_and_paddings(signature):
        sizes = _sizes(generator, signature, batch, min(time, _most_steps(signature, batch)))
        shapes = {
            steps: (sizes["batch"], steps if isinstance(steps, int) else sizes[steps])
            for steps in _steps_of(signature)
        }
        keeps = {
            steps: np.concatenate([_PADDINGS[name](generator, shape) for name in paddings])
            for steps, shape in shapes.items()
        }
        sizes["batch"] *= len(paddings)
        inputs = {
            spec.name: _padded(values(generator, spec, sizes, limits), spec, keeps)
            for spec in signature.inputs
        }
        shown = " x ".join(map(str, sizes.values()))
        cases.append(Case(f"{shown}, {' and '.join(paddings)}", inputs))
    return cases


def _shapes_and_paddings(signature: Signature) -> Iterator[tuple[tuple[int, int], Sequence[str]]]:
    """Give batch and time of each case, and which paddings its rows have, so many rows each."""
    alone = [[name] for name in _PADDINGS]
    yield from itertools.product(_SHAPES, alone)
    yield from itertools.product(_LONG_SHAPES, alone if signature.batch else [[*_PADDINGS]])


def _most_steps(signature: Signature, batch: int) -> int:
    """Return how many steps a case may have: pictures are large, and get fewer."""
    step = max(math.prod(size or 1 for size in spec.shape[2:]) for spec in signature.inputs)
    return max(1, _NUMBERS // (batch * step))


def _sizes(
    generator: np.random.Generator, signature: Signature, batch: int, time: int
) -> dict[str, int]:
    """Choose a size for each free axis, as far as it goes another one for each."""
    sizes = {"batch": signature.batch or batch}
    axes = [
        (place, name)
        for array in signature.inputs
        for place, name in enumerate(array.dimensions())
        if isinstance(name, str)
    ]
    for place, name in axes:
        if name not in sizes:
            first = len(sizes) == 1 and place == 1
            most = 2 * time if place == 1 else _WIDEST
            wanted = time if first else int(generator.integers(1, most + 1))
            sizes[name] = _nearest(signature, name, wanted)
    return sizes


def _nearest(signature: Signature, axis: str, wanted: int) -> int:
    """Return the length nearest to that wanted, of those that the model is known to take."""
    known = signature.lengths[axis].proved if axis in signature.lengths else [wanted]
    return min(known, key=lambda length: abs(length - wanted))


def _steps_of(signature: Signature) -> list[int | str]:
    """List the second axes of the inputs, by name or by size."""
    return list(dict.fromkeys(spec.dimensions()[1] for spec in signature.inputs if spec.shape[1:]))


def _padded_right(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.arange(shape[1]) < generator.integers(1, shape[1] + 1, (shape[0], 1))


def _with_empty_row(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return _padded_right(generator, shape) & (np.arange(shape[0]) > 0)[:, None]


_PADDINGS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "full": lambda _, shape: np.ones(shape, bool),
    "padded right": _padded_right,
    "padded left": lambda generator, shape: _padded_right(generator, shape)[:, ::-1],
    "holes": lambda generator, shape: generator.random(shape) < 0.6,
    "first row empty": _with_empty_row,
}


def values(
    generator: np.random.Generator, spec: Array, sizes: Mapping[str, int], limits: Mapping[str, int]
) -> np.ndarray:
    """Draw an input, with `sizes` for its free axes."""
    shape = spec.sized(sizes)
    if np.issubdtype(spec.dtype, np.integer):
        limit = limits.get(spec.name, 2)
        drawn: np.ndarray = generator.integers(min(1, limit - 1), limit, shape)
    else:
        drawn = generator.normal(size=shape)
    return drawn.astype(spec.dtype)


def _padded(values: np.ndarray, spec: Array, keeps: Mapping[int | str, np.ndarray]) -> np.ndarray:
    """Put zeros where nothing is kept, `[batch, time]`."""
    if values.ndim < 2:
        return values
    keep = keeps[spec.dimensions()[1]]
    return (values * keep.reshape(keep.shape + (1,) * (values.ndim - 2))).astype(spec.dtype)
