"""Constructor arguments: what they are, what they mean to Keras, how they are stored."""

import inspect
from collections.abc import Iterable
from typing import Any

from keras import activations, constraints, initializers, regularizers

_KINDS = {
    "activation": activations,
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
}


def resolve(name: str, value: Any) -> Any:
    """Turn a name such as `"tanh"` or `"orthogonal"` into the Keras object it stands for."""
    kind = _KINDS.get(name.rpartition("_")[2])
    return value if kind is None else kind.get(value)


def serialize(name: str, value: Any) -> Any:
    """Turn the value of argument `name` into plain data that `resolve` reads back."""
    kind = _KINDS.get(name.rpartition("_")[2])
    return value if kind is None else kind.serialize(value)


def positive(name: str, value: Any) -> int:
    """Return `value` of argument `name` as an integer.

    Raises:
        ValueError: if it is not a positive integer.
    """
    if isinstance(value, bool) or int(value) != value or value <= 0:
        raise ValueError(f"`{name}` must be a positive integer, not {value!r}.")
    return int(value)


def parameters(cls: type, root: type) -> dict[str, inspect.Parameter]:
    """List the named constructor parameters of `cls` and of its bases up to `root`, in order."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__[: cls.__mro__.index(root) + 1]:
        if "__init__" not in vars(base):
            continue
        for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items():
            if name != "self" and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                found.setdefault(name, parameter)
    return found


def configuration(instance: Any, names: Iterable[str]) -> dict[str, Any]:
    """Read the arguments `names` back from `instance`, as plain data."""
    return {name: serialize(name, getattr(instance, name)) for name in names}
