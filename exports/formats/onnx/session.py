"""ONNX files as functions, by ONNX Runtime."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from exports import extras
from exports.errors import DamagedFileError, InvalidInputError, reason
from exports.signature import STRING, Array, Signature

with extras.needed("serve"):
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as states

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]

_FATAL = 4
_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(string)": STRING}
_ERRORS = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NoSuchFile,
    states.NotImplemented,
    states.RuntimeException,
)


def read(path: Path, threads: int | None = None, signature: Signature | None = None) -> Run:
    """Load an ONNX file as a function of named arrays.

    Args:
        path: the file.
        threads: that a call may use; None: one for each core.
        signature: what the file must have as inputs and outputs, where that is known.

    Raises:
        ExportError: if ONNX Runtime cannot load the file, or cannot run it on some inputs, or the
            file has other inputs or outputs.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = _FATAL  # an error is raised here, and need not be printed too
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except _ERRORS as error:
        raise DamagedFileError(
            f"{path} cannot be loaded by ONNX Runtime: {reason(error)}"
        ) from error
    if signature is not None:
        signature.reject_other(path, _arrays(session.get_inputs()), _arrays(session.get_outputs()))
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Arrays) -> Arrays:
        # Its LSTM and GRU crash the whole process on a batch of no rows.
        empty = [name for name, values in inputs.items() if not values.size]
        if empty:
            raise InvalidInputError(f"{path} needs at least one row and one step in {empty[0]!r}.")
        try:
            return dict(zip(names, session.run(names, inputs), strict=True))
        except _ERRORS as error:
            raise InvalidInputError(f"{path} fails in ONNX Runtime: {reason(error)}") from error

    return run


def _arrays(ends: Iterable[onnxruntime.NodeArg]) -> Iterator[Array]:
    for end in ends:
        shape = (size if isinstance(size, int) else None for size in end.shape)
        yield Array(end.name, tuple(shape), _TYPES.get(end.type, end.type[7:-1]))
