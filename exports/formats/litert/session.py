"""LiteRT files as functions, by the interpreter that a phone has."""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from exports.errors import DamagedFileError, InvalidInputError, reason
from exports.signature import Array, Arrays, Run, Signature

SERVE = "serving_default"  # the signature of a file that names its inputs and outputs

_NODE = re.compile(r"\.?Node (number)")  # begins a sentence without a space before it
_ERRORS = (RuntimeError, TypeError, ValueError)


def read(path: Path, threads: int | None = None, signature: Signature | None = None) -> Run:
    """Load a LiteRT file as a function of named arrays; threads may share it.

    Args:
        path: the file.
        threads: that a call may use; None: one. The steps of a loop are too little work for more.
        signature: what the file must have as inputs and outputs, where that is known.

    Raises:
        ExportError: if LiteRT cannot load the file, or cannot run it on some inputs, or the file
            has other inputs or outputs.
    """
    try:
        # Of the content, because a file that is replaced while it is mapped ends the process.
        content = path.read_bytes() or b"empty"
        interpreter = Interpreter(model_content=content, num_threads=threads or 1)
        given, returned = _ends(interpreter)
        # It announces its delegate now; a model may need more steps than the one it has yet.
        with quiet(), contextlib.suppress(RuntimeError):
            interpreter.allocate_tensors()
    except (OSError, *_ERRORS) as error:
        raise DamagedFileError(f"{path} cannot be loaded by LiteRT: {reason(error)}") from error
    if signature is not None:
        signature.reject_other(path, _arrays(given), _arrays(returned))
    known = {array.name: array for array in _arrays(given)}
    lock, shapes = threading.Lock(), dict[str, tuple[int, ...]]()

    def resize(inputs: Arrays) -> None:
        """Let the interpreter lay its tensors out, if the inputs are not shaped as before."""
        wanted = {name: values.shape for name, values in inputs.items()}
        if wanted == shapes:
            return
        shapes.clear()
        for name, shape in wanted.items():
            interpreter.resize_tensor_input(given[name]["index"], shape)
        interpreter.allocate_tensors()
        shapes.update(wanted)

    def run(inputs: Arrays) -> Arrays:
        if inputs.keys() != given.keys():
            raise InvalidInputError(f"{path} takes the inputs {[*given]}, not {[*inputs]}.")
        for name, values in inputs.items():
            if not values.size:
                raise InvalidInputError(f"{path} needs at least one row and one step in {name!r}.")
            _reject_other(path, known[name], values)
        try:
            with lock:
                resize(inputs)
                for name, values in inputs.items():
                    interpreter.set_tensor(given[name]["index"], values)
                interpreter.invoke()
                return {
                    name: interpreter.get_tensor(end["index"]) for name, end in returned.items()
                }
        except _ERRORS as error:
            why = _NODE.sub(r"; node \1", reason(error))
            raise InvalidInputError(f"{path} fails in LiteRT: {why}") from error

    return run


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what TensorFlow and LiteRT write in C++ from stderr: an error has the line that counts.

    It is the stderr of the whole process.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), 2)
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _reject_other(path: Path, array: Array, values: np.ndarray) -> None:
    """Raise for another type, or a shape that the interpreter would not survive."""
    fits = len(values.shape) == len(array.shape) and all(
        size in (None, actual) for size, actual in zip(array.shape, values.shape, strict=True)
    )
    if values.dtype.name != array.dtype or not fits:
        raise InvalidInputError(
            f"{path} takes {array.name!r} as {array.dtype} {[*array.dimensions()]}, not "
            f"{values.dtype} {[*values.shape]}."
        )


def _ends(interpreter: Interpreter) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs and outputs by the names that the file's signature gives them.

    Raises:
        ValueError: if the file has no such signature.
    """
    if SERVE not in interpreter.get_signature_list():
        raise ValueError("it has no signature that names its inputs and outputs")
    # The runner must not live on: it keeps the interpreter from taking other shapes.
    runner = interpreter.get_signature_runner(SERVE)
    order = [end["index"] for end in interpreter.get_output_details()]
    outputs = runner.get_output_details().items()
    in_order = sorted(outputs, key=lambda pair: order.index(pair[1]["index"]))
    return dict(runner.get_input_details()), dict(in_order)


def _arrays(ends: Mapping[str, Any]) -> Iterator[Array]:
    for name, end in ends.items():
        shape = (None if size < 0 else int(size) for size in end["shape_signature"])
        yield Array(name, tuple(shape), np.dtype(end["dtype"]).name)
