"""Whether the arguments of `exports.export` can be used, said before anything is made of them."""

import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from exports import formats
from exports.answers import Answer, Forecast
from exports.errors import InvalidArgumentError
from exports.formats.base import Format
from exports.precision import Precision
from exports.schema import Writing
from exports.signature import AudioFrontend, Signature
from exports.text import TextEncoder

_STRINGS = "a list of strings"
_TYPES: dict[str, tuple[Any, str]] = {  # of arguments, for those who do not check them
    "model": (keras.Model, "a keras.Model; exports.read_keras(path) reads a file"),
    "directory": (str | os.PathLike, "a path"),
    "lengths": (Mapping | None, "a mapping of names to ranges, such as {'time': (1, 80)}"),
    "formats": (Sequence, _STRINGS),
    "encoder": (TextEncoder | None, "a TextEncoder"),
    "labels": (Sequence | None, _STRINGS),
    "texts": (Sequence, _STRINGS),
    "small": (Precision | None, "a Precision"),
    "answer": (Answer | None, "a kind of `exports.answers`"),
    "forecast": (Forecast | None, "a Forecast"),
    "audio_frontend": (AudioFrontend | None, "an AudioFrontend"),
    "writing": (Writing | None, "a Writing"),
    "card": (Mapping | None, "a mapping"),
    "config": (Mapping | None, "a mapping"),
}


def reject_wrong_types(arguments: Mapping[str, Any]) -> None:
    """Raise for arguments of other types, for those who do not check them.

    Raises:
        InvalidArgumentError: if there is one.
    """
    for name, (kinds, described) in _TYPES.items():
        value = arguments[name]
        if not isinstance(value, kinds):
            raise InvalidArgumentError(f"`{name}` must be {described}, not {_kind(value)}.")
        if described == _STRINGS:
            if isinstance(value, str):
                raise InvalidArgumentError(
                    f"`{name}` must be {described}, not one string: [{value!r}]."
                )
            if wrong := [each for each in value or () if not isinstance(each, str)]:
                raise InvalidArgumentError(
                    f"`{name}` must be {described}, and holds {_kind(wrong[0])}."
                )


def _kind(value: Any) -> str:
    """Name a value with its type, in a few words."""
    return f"{textwrap.shorten(repr(value), 40)} ({type(value).__name__})"


def chosen(names: Sequence[str], small: Precision | None) -> list[Format]:
    """Return the formats to write.

    Raises:
        InvalidArgumentError: if one is unknown, there are none, or none has the forms in `small`.
    """
    known = formats.names()
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InvalidArgumentError(f"Unknown formats {unknown}: choose among {', '.join(known)}.")
    found = [formats.get(name) for name in dict.fromkeys(names)]
    if small is not None and not any(each.precisions for each in found):
        raise InvalidArgumentError(
            '`small` makes smaller files: add a format that has them, such as "onnx".'
        )
    return found


def reject_labels(signature: Signature, labels: Sequence[str] | None) -> None:
    """Raise unless an output has a score for each label.

    Raises:
        InvalidArgumentError: if none has.
    """
    sizes = {array.name: array.shape[-1] for array in signature.outputs if array.shape[1:]}
    if labels is not None and len(labels) not in sizes.values():
        raise InvalidArgumentError(
            f"`labels` names {len(labels)} classes, and no output has as many scores: {sizes}."
        )


def reject_answer(
    signature: Signature, labels: Sequence[str] | None, answer: Answer | None
) -> None:
    """Raise unless the outputs can be read as `answer`.

    Raises:
        InvalidArgumentError: if they cannot.
    """
    if answer is None:
        return
    (output, *_) = signature.outputs
    try:
        answer.check(signature.inputs, output)
    except ValueError as error:
        raise InvalidArgumentError(f"`answer` does not fit the model: {error}.") from error
    if answer.has_labels and len(labels or ()) != output.shape[-1]:
        raise InvalidArgumentError(
            f"`answer` is said in labels: give `labels`, {output.shape[-1]} of them."
        )


def reject_texts(signature: Signature, encoder: TextEncoder | None, texts: Sequence[str]) -> None:
    """Raise if there are texts without an encoder, or the model takes no ids.

    Raises:
        InvalidArgumentError: if that is so.
    """
    if texts and encoder is None:
        raise InvalidArgumentError(
            "`texts` need an `encoder` that turns them into the model's inputs."
        )
    shapes = {array.name: array.dimensions() for array in signature.inputs}
    if encoder is not None and [len(shape) for shape in shapes.values()] != [2]:
        raise InvalidArgumentError(
            f"An `encoder` gives ids [batch, time] to one input, and the inputs are {shapes}."
        )


def fitting(encoder: TextEncoder, signature: Signature) -> TextEncoder:
    """Return an encoder that pads short texts to as many ids as the model needs.

    Raises:
        InvalidArgumentError: if it gives fewer, or another number than the model takes.
    """
    (ids,) = signature.inputs
    steps, most = ids.shape[1], encoder.max_length
    least = steps or max(1, signature.lengths[ids.axes[1]].minimum)
    if most < least or most != (steps or most):
        needed = f"exactly {steps}" if steps else f"at least {least}"
        raise InvalidArgumentError(
            f"The `encoder` gives up to {most} ids, and {ids.name!r} needs {needed}: "
            "give it another `max_length`."
        )
    return TextEncoder(encoder.vocabulary, most, least, encoder.tokens)
