"""The names, shapes and types of what goes into a model and comes out."""

import itertools
import keyword
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta

from exports.errors import ExportError, reason

Natural = Annotated[int, Meta(ge=0, lt=2**53)]
Positive = Annotated[int, Meta(ge=1, lt=2**31)]
Name = Annotated[str, Meta(min_length=1)]
Shape = Annotated[tuple[Positive | None, ...], Meta(min_length=1, max_length=32)]
DType = Annotated[str, Meta(pattern="^(bool|u?int(8|16|32|64)|float(16|32|64))$")]


STRING = "str"  # the type of an array of strings, which no model takes


@dataclass(frozen=True)
class Array:
    """An input or output: its name, its shape (None where an axis is free) and its type.

    Of those that have one name for their `time`, the second axis, that axis has one size.
    """

    name: Name
    shape: Shape
    dtype: DType
    time: str = "time"

    @property
    def has_time(self) -> bool:
        """Whether the second axis is free."""
        return len(self.shape) > 1 and self.shape[1] is None

    def sized(self, batch: int, time: int) -> tuple[int, ...]:
        """Return the shape with sizes for its free axes; from the third on they are 1."""
        free = (batch, time, *(1 for _ in self.shape[2:]))
        pairs = zip(self.shape, free, strict=False)
        return tuple(given if size is None else size for size, given in pairs)

    def axes(self) -> tuple[int | str, ...]:
        """Return the shape with its free axes named: batch, time, axis_2, ..."""
        names = ("batch", self.time, *(f"axis_{axis}" for axis in range(2, len(self.shape))))
        return tuple(names[axis] if size is None else size for axis, size in enumerate(self.shape))

    def read(self, values: Any) -> np.ndarray:
        """Return `values` as an array of this shape and type.

        Raises:
            ExportError: if they have another shape, or would not be the same numbers.
        """
        try:
            given = np.asarray(values)
        except ValueError as error:
            raise ExportError(
                f"{self.name!r} is given what is no array: {reason(error)}"
            ) from error
        fits = len(given.shape) == len(self.shape) and all(
            size in (None, actual) for size, actual in zip(self.shape, given.shape, strict=True)
        )
        if not fits:
            axes = ", ".join(map(str, self.axes()))
            raise ExportError(f"{self.name!r} has the shape [{axes}], not {list(given.shape)}.")
        if given.size and given.dtype.kind not in "biuf":
            raise ExportError(f"{self.name!r} holds {self.dtype} numbers, not {given.dtype}.")
        with np.errstate(invalid="ignore", over="ignore"):
            array = given.astype(self.dtype)
        same = (
            np.isfinite(array) == np.isfinite(given) if array.dtype.kind == "f" else array == given
        )
        if not same.all():
            raise ExportError(f"{self.name!r} holds {self.dtype} numbers, and some given are not.")
        return array


@dataclass(frozen=True)
class State:
    """A state of a step model: the names of its input and output, its shape and its type."""

    name: Name
    next: Name
    shape: Shape
    dtype: DType


@dataclass(frozen=True)
class Motion:
    """What a model of positions x, y and height z, `[batch, time, 3]`, is to be given and gives.

    Attributes:
        rate: positions a second.
        window: how many positions the model is to see.
        ahead: how many seconds after the last one the ball is where each row of the output says.
    """

    rate: float
    window: Positive
    ahead: tuple[float, ...]


class Hearing(NamedTuple):
    """How sound becomes the input of a model that hears.

    Attributes:
        rate: samples a second, from -1 to 1.
        front: a Keras model that turns samples `[batch, time]` into the input.
    """

    rate: int
    front: Any


class Signature(NamedTuple):
    """Inputs and outputs of a model, in order."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]

    @classmethod
    def of(cls, model: Any) -> "Signature":
        """Read the signature of a Functional or Sequential Keras model.

        Raises:
            ExportError: if the model has no known inputs, or one that not every format can have.
        """
        if not getattr(model, "inputs", None):
            raise ExportError(
                f"{model.name!r} has no known inputs: say what it takes, "
                "export(model, directory, inputs=keras.Input(...)), or a list of them."
            )
        for tensor in model.inputs:
            _reject_unusable(tensor)
        inputs = [tensor.name for tensor in model.inputs]
        outputs = _distinct(_output_names(model), taken=inputs)
        return cls(_arrays(inputs, model.inputs), _arrays(outputs, model.outputs))

    def of_steps(self, states: Iterable[State]) -> "Signature":
        """Return the signature of the step model, which takes and gives `states` too."""
        states = tuple(states)
        before = (Array(state.name, state.shape, state.dtype) for state in states)
        after = (Array(state.next, state.shape, state.dtype) for state in states)
        return Signature((*self.inputs, *before), (*self.outputs, *after))

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
                raise ExportError(f"{where} has the {end} {list(found)}, not {names}.")
            for array in mine:
                other = found[array.name]
                fits = len(other.shape) == len(array.shape) and all(
                    size in (None, expected)
                    for size, expected in zip(other.shape, array.shape, strict=True)
                )
                if other.dtype != array.dtype or not fits:
                    raise ExportError(
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
                raise ExportError(f"The inputs are {names}, but {len(inputs)} arrays are given.")
            inputs = dict(zip(names, inputs, strict=True))
        if sorted(inputs) != sorted(names):
            raise ExportError(f"The inputs are {names}, not {sorted(inputs)}.")
        arrays = {array.name: array.read(inputs[array.name]) for array in self.inputs}
        if len({len(values) for values in arrays.values()}) > 1:
            rows = {name: len(values) for name, values in arrays.items()}
            raise ExportError(f"The inputs have different numbers of rows: {rows}.")
        return arrays


def reject_nonfinite(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise for NaN and infinity, which formats do not treat alike.

    ONNX Runtime's LSTM and GRU give finite numbers for a NaN, where Keras gives NaN.

    Raises:
        ExportError: if one of `arrays` holds NaN or infinity.
    """
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            place = np.argwhere(~np.isfinite(values))[0].tolist()
            raise ExportError(
                f"{name!r} holds {values[tuple(place)]} at {place}, where ONNX Runtime may give "
                "other numbers than Keras: replace NaN and infinity (padding is 0), or allow them "
                "with allow_nonfinite=True, or recurrent serve --allow-nonfinite."
            )


def _reject_unusable(tensor: Any) -> None:
    """Raise for an input that some format cannot name or size, or that no array of numbers fits."""
    name = tensor.name
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
        raise ExportError(
            f"The input {name!r} needs a name of letters, digits and underscores: "
            "give keras.Input(..., name=...)."
        )
    for kind in ("ragged", "sparse"):
        if getattr(tensor, kind, False):
            raise ExportError(
                f"The input {name!r} is {kind}, and files take plain arrays: leave out {kind}=True "
                "in its keras.Input."
            )
    if tensor.dtype == "string":
        raise ExportError(
            f"The input {name!r} takes strings: let the model take token ids, and give the export "
            "a TextEncoder."
        )


def _output_names(model: Any) -> list[str]:
    """Name each output after its keys in mappings, if the model gives some, or after its layer."""
    import keras  # the runtime has none, and reads no model

    structure = getattr(model, "output", model.outputs)  # which a Sequential model may lack
    found = keras.tree.flatten_with_path(structure)
    layers = [tensor._keras_history.operation.name for _, tensor in found]
    keys = ["_".join(key for key in path if isinstance(key, str)) for path, _ in found]
    return [key or layer for key, layer in zip(keys, layers, strict=True)]


def _distinct(names: Iterable[str], taken: Sequence[str]) -> list[str]:
    """Number the names that several outputs have, or an input: name, name_1, name_2."""
    distinct: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        candidates = itertools.chain([name], numbered)
        distinct.append(next(each for each in candidates if each not in (*taken, *distinct)))
    return distinct


def _arrays(names: Iterable[str], tensors: Iterable[Any]) -> tuple[Array, ...]:
    return tuple(
        Array(name, (None, *tensor.shape[1:]), tensor.dtype)
        for name, tensor in zip(names, tensors, strict=True)
    )
