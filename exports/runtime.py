"""Exported models on ONNX Runtime and NumPy alone: neither TensorFlow nor Keras is needed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from exports.errors import ExportError

Arrays = dict[str, np.ndarray]

_FATAL = 4
_ERRORS = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NoSuchFile,
    states.NotImplemented,
    states.RuntimeException,
)


def read(path: Path) -> Callable[[Arrays], Arrays]:
    """Load an ONNX file as a function of named arrays.

    Raises:
        ExportError: if ONNX Runtime cannot load the file, or cannot run it on some inputs.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL  # an error is raised here, and need not be printed too
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except _ERRORS as error:
        raise ExportError(f"{path} cannot be loaded by ONNX Runtime: {error}") from error
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Arrays) -> Arrays:
        # Its LSTM and GRU crash the whole process on a batch of no rows.
        empty = [name for name, values in inputs.items() if not values.size]
        if empty:
            raise ExportError(f"{path} needs at least one row and one step in {empty[0]!r}.")
        try:
            return dict(zip(names, session.run(names, inputs), strict=True))
        except _ERRORS as error:
            raise ExportError(f"{path} fails in ONNX Runtime: {error}") from error

    return run
