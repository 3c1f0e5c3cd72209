"""The process with Keras on TensorFlow that exports what another backend built.

`python -m exports.rebuild FOLDER` reads what `exports.other_backends` has put into a folder, and
writes the artifact, or the error, beside it.
"""

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import keras

from exports import keras_file
from exports.errors import ExportError, InvalidArgumentError, UnsupportedLayerError, reason
from exports.exporter import export
from exports.other_backends import EXPORTED, FAILURE, KERAS_FILE, REQUEST, unsendable


def main(folder: Path) -> None:
    """Export the model in `folder` with the arguments in it."""
    try:
        modules, pickled = pickle.loads((folder / REQUEST).read_bytes())
        for module in modules:
            _import(module)
        options = {name: _unpickled(name, content) for name, content in pickled.items()}
        export(_model(folder / KERAS_FILE), folder / EXPORTED, **options)
    except ExportError as error:
        (folder / FAILURE).write_bytes(pickle.dumps(error))
        sys.exit(1)


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever somebody else's module raises
        raise UnsupportedLayerError(
            f"The module {module!r} defines layers of the model, and cannot be imported in the "
            f"process with Keras on TensorFlow: {reason(error)}."
        ) from error


def _unpickled(name: str, content: bytes) -> Any:
    try:
        return pickle.loads(content)
    except (AttributeError, ImportError) as error:  # where a function is not found
        raise InvalidArgumentError(unsendable(name, error)) from error


def _model(path: Path) -> keras.Model:
    try:
        model = keras_file.read(path)
    except ExportError as error:
        raise _unportable(reason(_first(error))) from error
    if not getattr(model, "inputs", None):  # a Sequential model hides that a layer lacks something
        raise _unportable("a layer cannot be called")
    return model


def _unportable(why: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"The model cannot be rebuilt on TensorFlow ({why}): its layers must compute with "
        "keras.ops alone, and their `get_config` must say how they are made."
    )


def _first(error: BaseException) -> BaseException:
    """Return what went wrong first, which Keras wraps in errors of its own."""
    return error if error.__context__ is None else _first(error.__context__)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
