"""What Keras exports by itself, to measure ours against."""

import tempfile
from pathlib import Path

import keras

from exports.errors import UnsupportedLayerError, reason
from exports.formats.onnx import session
from exports.signature import Run


def read(model: keras.Model) -> Run:
    """Let Keras export `model`, which has been called once, as ONNX; load what it wrote.

    Raises:
        ExportError: if Keras cannot, or ONNX Runtime cannot load the file.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.onnx")
        try:
            model.export(str(path), format="onnx", verbose=False)
        except (NotImplementedError, RuntimeError, ValueError) as error:
            raise UnsupportedLayerError(f"keras.Model.export fails: {reason(error)}") from error
        return session.read(path)
