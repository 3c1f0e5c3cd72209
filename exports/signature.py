"""The names, shapes and types of what goes into a model and comes out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta

from exports.errors import DamagedFileError, InvalidInputError, reason

Natural = Annotated[int, Meta(ge=0, lt=2**53)]
Positive = Annotated[int, Meta(ge=1, lt=2**31)]
Name = Annotated[str, Meta(min_length=1)]
Shape = Annotated[tuple[Positive | None, ...], Meta(min_length=1, max_length=32)]
DType = Annotated[str, Meta(pattern="^(str|bool|u?int(8|16|32|64)|float(16|32|64))$")]


STRING = "str"  # the type of an array of strings, which no model takes

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]  # an endpoint of a format, loaded


@dataclass(frozen=True)
class Array:
    """An input or output: its name, its shape (None where an axis is free) and its type.

    `axes` names every axis; without names they are batch, time, axis_2, ... Free axes that have one
    name have one size.
    """

    name: Name
    shape: Shape
    dtype: DType
    axes: tuple[Name, ...] = ()
    time: str = "time"  # names the second axis in artifacts of before there were `axes`

    def __post_init__(self) -> None:
        """Name the axes that have no names.

        Raises:
            ValueError: if there are as many names as axes neither.
        """
        names = [axis_label(axis) for axis in range(len(self.shape))]
        names[1:2] = [self.time][: len(names) - 1]
        object.__setattr__(self, "axes", tuple(self.axes or names))
        if len(self.axes) != len(self.shape):
            raise ValueError(f"{self.name!r} has {len(self.shape)} axes and {len(self.axes)} names")

    @property
    def has_time(self) -> bool:
        """Whether the second axis is free."""
        return len(self.shape) > 1 and self.shape[1] is None

    def sized(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape with `sizes` for its free axes, by their names."""
        return tuple(sizes[each] if isinstance(each, str) else each for each in self.dimensions())

    def dimensions(self) -> tuple[int | str, ...]:
        """Return the shape with names for its free axes."""
        pairs = zip(self.axes, self.shape, strict=True)
        return tuple(name if size is None else size for name, size in pairs)

    def read(self, values: Any) -> np.ndarray:
        """Return `values` as an array of this shape and type.

        Raises:
            ExportError: if they have another shape, or would not be the same numbers.
        """
        try:
            given = np.asarray(values)
        except ValueError as error:
            raise InvalidInputError(
                f"{self.name!r} is given what is no array: {reason(error)}"
            ) from error
        fits = len(given.shape) == len(self.shape) and all(
            size in (None, actual) for size, actual in zip(self.shape, given.shape, strict=True)
        )
        if not fits:
            axes = ", ".join(map(str, self.dimensions()))
            raise InvalidInputError(
                f"{self.name!r} has the shape [{axes}], not {list(given.shape)}."
            )
        if given.size and given.dtype.kind not in "biuf":
            raise InvalidInputError(f"{self.name!r} holds {self.dtype} numbers, not {given.dtype}.")
        with np.errstate(invalid="ignore", over="ignore"):
            array = given.astype(self.dtype)
        same = (
            np.isfinite(array) == np.isfinite(given) if array.dtype.kind == "f" else array == given
        )
        if not same.all():
            raise InvalidInputError(
                f"{self.name!r} holds {self.dtype} numbers, and some given are not."
            )
        return array


def axis_label(axis: int) -> str:
    """Return what an axis is called by its place."""
    return ("batch", "time")[axis] if axis < 2 else f"axis_{axis}"


@dataclass(frozen=True)
class Lengths:
    """How long a free axis may be.

    Attributes:
        proved: the lengths that the formats are compared on, in order.
        minimum: shorter ones fail in Keras; 0 if none did.
    """

    proved: Annotated[tuple[Positive, ...], Meta(min_length=1)]
    minimum: Natural = 0


@dataclass(frozen=True)
class State:
    """A state of a step model: the names of its input and output, its shape and its type."""

    name: Name
    next: Name
    shape: Shape
    dtype: DType

    def zeros(self, batch: int) -> np.ndarray:
        """Return what a batch of sequences begins with."""
        shape: tuple[Any, ...] = (batch, *self.shape[1:])
        return np.zeros(shape, self.dtype)


class AudioFrontend(NamedTuple):
    """How sound becomes the input of a model that hears.

    Attributes:
        rate: samples a second, from -1 to 1.
        front: a Keras model that turns samples `[batch, time]` into the input.
    """

    rate: int
    front: Any


class Signature(NamedTuple):
    """Inputs and outputs of a model, in order, and how long its free axes may be, by name."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    lengths: Mapping[str, Lengths] = MappingProxyType({})

    @property
    def streamed(self) -> list[Array]:
        """Return the inputs whose second axis is cut into chunks.

        That is where it is free; if it never is, the model is made for sequences of so many steps.
        """
        kinds = (
            [array for array in self.inputs if array.has_time],
            [array for array in self.inputs if len(array.shape) > 2],
            [array for array in self.inputs if len(array.shape) == 2],
        )
        return next((arrays for arrays in kinds if arrays), [])

    def of_rows(self, rows: int) -> "Signature":
        """Return the signature with a batch of so many rows."""
        return self._replace(
            inputs=tuple(replace(each, shape=(rows, *each.shape[1:])) for each in self.inputs),
            outputs=tuple(replace(each, shape=(rows, *each.shape[1:])) for each in self.outputs),
        )

    def with_single_lengths_fixed(self) -> "Signature":
        """Return the signature in which an axis is not free that has one length alone."""
        fixed = {name: each.proved[0] for name, each in self.lengths.items() if not each.proved[1:]}

        def settled(array: Array) -> Array:
            pairs = zip(array.axes, array.shape, strict=True)
            shape = tuple(fixed.get(name) if size is None else size for name, size in pairs)
            return replace(array, shape=shape)

        return Signature(
            tuple(map(settled, self.inputs)),
            tuple(map(settled, self.outputs)),
            {name: each for name, each in self.lengths.items() if name not in fixed},
        )

    def no_longer_than(self, most: int, axes: Iterable[str]) -> "Signature":
        """Return the signature in which the lengths of `axes` end with `most`."""

        def bounded(lengths: Lengths) -> Lengths:
            shorter = (length for length in lengths.proved if length < most)
            return replace(lengths, proved=(*shorter, most))

        known = {axis: bounded(self.lengths[axis]) for axis in axes if axis in self.lengths}
        return self._replace(lengths={**self.lengths, **known})

    @property
    def batch(self) -> int | None:
        """Return the number of rows that the model takes, or None if it takes any."""
        return self.inputs[0].shape[0]

    def of_steps(self, states: Iterable[State]) -> "Signature":
        """Return the signature of the step model, which takes and gives `states` too."""
        states = tuple(states)
        before = (Array(state.name, state.shape, state.dtype) for state in states)
        after = (Array(state.next, state.shape, state.dtype) for state in states)
        return Signature((*self.inputs, *before), (*self.outputs, *after), self.lengths)

    def of_text(self) -> "Signature":
        """Return the signature of what takes raw text, an array of strings."""
        return Signature((Array("text", (None,), STRING),), self.outputs)

    def reject_other(self, where: Any, inputs: Iterable[Array], outputs: Iterable[Array]) -> None:
        """Raise unless the file at `where` has these inputs and outputs, in any order.

        An axis that is free in the file may have a size here: not every format keeps all sizes.

        Raises:
            ExportError: if a name, a type or a shape is another one.
        """
        for end, mine, theirs in (
            ("inputs", self.inputs, inputs),
            ("outputs", self.outputs, outputs),
        ):
            found = {array.name: array for array in theirs}
            if found.keys() != {array.name for array in mine}:
                names = [array.name for array in mine]
                raise DamagedFileError(f"{where} has the {end} {list(found)}, not {names}.")
            for array in mine:
                other = found[array.name]
                fits = len(other.shape) == len(array.shape) and all(
                    size in (None, expected)
                    for size, expected in zip(other.shape, array.shape, strict=True)
                )
                if other.dtype != array.dtype or not fits:
                    raise DamagedFileError(
                        f"{where} has {array.name!r} as {other.dtype} {list(other.shape)}, not "
                        f"{array.dtype} {list(array.shape)}."
                    )

    def name_inputs(self, inputs: Any) -> dict[str, np.ndarray]:
        """Name the arrays given for the inputs: one array, a list of them, or a mapping.

        Raises:
            ExportError: if their number, names, shapes or types are not those of the inputs.
        """
        names = [array.name for array in self.inputs]
        if not isinstance(inputs, Mapping):
            inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
            if len(inputs) != len(names):
                raise InvalidInputError(
                    f"The inputs are {names}, but {len(inputs)} arrays are given."
                )
            inputs = dict(zip(names, inputs, strict=True))
        if sorted(inputs) != sorted(names):
            raise InvalidInputError(f"The inputs are {names}, not {sorted(inputs)}.")
        arrays = {array.name: array.read(inputs[array.name]) for array in self.inputs}
        self._reject_lengths(arrays)
        return arrays

    def _reject_lengths(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Raise if an axis has two lengths, or one that is too short for the model."""
        found: dict[str, dict[str, int]] = {}
        for array in self.inputs:
            for axis, size in zip(array.dimensions(), arrays[array.name].shape, strict=True):
                if isinstance(axis, str):
                    found.setdefault(axis, {})[array.name] = size
        for axis, lengths in found.items():
            if len(set(lengths.values())) > 1:
                what = "numbers of rows" if axis == "batch" else f"lengths on the axis {axis!r}"
                raise InvalidInputError(f"The inputs have different {what}: {lengths}.")
            (name, length), *_ = lengths.items()
            minimum = self.lengths[axis].minimum if axis in self.lengths else 0
            if length < minimum:
                raise InvalidInputError(
                    f"{name!r} has the length {length} on the axis {axis!r}, and the model needs "
                    f"at least {minimum}: pad it."
                )


def reject_nonfinite(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise for NaN and infinity, which formats do not treat alike.

    ONNX Runtime's LSTM and GRU give finite numbers for a NaN, where Keras gives NaN.

    Raises:
        ExportError: if one of `arrays` holds NaN or infinity.
    """
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            place = np.argwhere(~np.isfinite(values))[0].tolist()
            raise InvalidInputError(
                f"{name!r} holds {values[tuple(place)]} at {place}, where ONNX Runtime may give "
                "other numbers than Keras: replace NaN and infinity (padding is 0), or allow them "
                "with allow_nonfinite=True, or recurrent serve --allow-nonfinite."
            )
