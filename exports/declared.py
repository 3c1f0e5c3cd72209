"""What a Keras model says of its inputs and outputs."""

import itertools
import keyword
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from exports.errors import UnsupportedLayerError
from exports.signature import Array, Signature


def signature(model: keras.Model) -> Signature:
    """Read the signature of a Functional or Sequential Keras model.

    Raises:
        ExportError: if the model has no known inputs, or one that not every format can have.
    """
    if not getattr(model, "inputs", None):
        raise UnsupportedLayerError(
            f"{model.name!r} has no known inputs: say what it takes, "
            "export(model, directory, inputs=keras.Input(...)), or a list of them."
        )
    for tensor in model.inputs:
        _reject_unusable(tensor)
    inputs = [tensor.name for tensor in model.inputs]
    outputs = _distinct(_output_names(model), taken=inputs)
    return Signature(_arrays(inputs, model.inputs), _arrays(outputs, model.outputs))


def limits(model: keras.Model) -> dict[str, int]:
    """Return how many values integer inputs may take: what every embedding has a row for."""
    rows = [
        layer.input_dim
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Embedding)
    ]
    integers = [array.name for array in signature(model).inputs if "int" in array.dtype]
    return {name: min(rows) for name in integers} if rows else {}


def _reject_unusable(tensor: Any) -> None:
    """Raise for an input that some format cannot name or size, or that no array of numbers fits."""
    name = tensor.name
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
        raise UnsupportedLayerError(
            f"The input {name!r} needs a name of letters, digits and underscores: "
            "give keras.Input(..., name=...)."
        )
    for kind in ("ragged", "sparse"):
        if getattr(tensor, kind, False):
            raise UnsupportedLayerError(
                f"The input {name!r} is {kind}, and files take plain arrays: leave out {kind}=True "
                "in its keras.Input."
            )
    if tensor.dtype == "string":
        raise UnsupportedLayerError(
            f"The input {name!r} takes strings: let the model take token ids, and give the export "
            "a TextEncoder."
        )


def _output_names(model: Any) -> list[str]:
    """Name each output after its keys in mappings, if the model gives some, or after its layer."""
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
