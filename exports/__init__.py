"""Trained models out: SavedModel, ONNX and LiteRT files, proved to compute the same function."""

import importlib
import os
from typing import TYPE_CHECKING, Any

from exports import extras

if TYPE_CHECKING:
    from exports.answers import Forecast
    from exports.artifact import Artifact, load
    from exports.errors import (
        DamagedFileError,
        ExportError,
        InvalidArgumentError,
        InvalidInputError,
        ParityError,
        UnsupportedLayerError,
        WriteError,
    )
    from exports.exporter import export, read_keras
    from exports.parity.compare import Parity
    from exports.precision import Precision
    from exports.signature import AudioFrontend
    from exports.verifier import verify

# ONNX Runtime sends figures about its use to its makers unless it is told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Artifact": "artifact",
    "ExportError": "errors",
    "DamagedFileError": "errors",
    "InvalidArgumentError": "errors",
    "InvalidInputError": "errors",
    "ParityError": "errors",
    "UnsupportedLayerError": "errors",
    "WriteError": "errors",
    "Forecast": "answers",
    "AudioFrontend": "signature",
    "Parity": "parity.compare",
    "Precision": "precision",
    "export": "exporter",
    "read_keras": "exporter",
    "load": "artifact",
    "verify": "verifier",
}

__all__ = [
    "Artifact",
    "AudioFrontend",
    "DamagedFileError",
    "ExportError",
    "Forecast",
    "InvalidArgumentError",
    "InvalidInputError",
    "Parity",
    "ParityError",
    "Precision",
    "UnsupportedLayerError",
    "WriteError",
    "export",
    "load",
    "read_keras",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, so that `exports.runtime` needs no TensorFlow.

    Raises:
        MissingExtraError: if it needs a package that is not installed.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'exports' has no attribute {name!r}")
    with extras.needed("export"):
        home = importlib.import_module(f"exports.{_HOMES[name]}")
    return getattr(home, name)
