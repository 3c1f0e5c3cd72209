"""Files of Keras: `.keras` archives, read within limits, and what to do about HDF5 files."""

import contextlib
import math
import mmap
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from custom_layers import registration
from exports import files
from exports.errors import DamagedFileError

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MOST_MEMBERS = 10_000
# Keras packs nothing, but others may have packed its file anew.
_UNPACKED, _TIMES = 2**26, 8  # an archive may unpack to so many bytes, and to so many times its own
_SLACK = 2**20  # bytes that layers may have beside the weights in the file
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Recurrent layers of Keras 2 have an option that Keras 3 refuses, in layers of layers too.
_TIME_MAJOR_IGNORED = (
    "init = keras.layers.RNN.__init__; keras.layers.RNN.__init__ = "
    "lambda layer, *cells, time_major=False, **options: init(layer, *cells, **options); "
)
# What Keras, h5py and zipfile raise for what is no file of theirs: whatever they stumble over.
_STUMBLES = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError),
    *(MemoryError, OSError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error),
    tf.errors.OpError,
)


class _TooManyWeightsError(Exception):
    """Layers want more weights than their file has."""


def read(
    path: Path, *, custom_objects: Mapping[str, Any] | None = None, with_optimizer: bool = False
) -> keras.Model:
    """Read a `.keras` file, in safe mode: nothing in it is run.

    It may not unpack to much more than its own size, and its layers may not want more weights
    than it has.

    Args:
        path: the file.
        custom_objects: what is known beside our layers and Keras's, by name.
        with_optimizer: whether the model can be trained on.

    Raises:
        ExportError: if it is missing, damaged, not a file of Keras, or wants to run code.
    """
    config, weights = _checked(path)
    try:
        with _no_more_weights_than(weights + _SLACK):
            return keras.saving.load_model(
                path, custom_objects=custom_objects, compile=with_optimizer, safe_mode=True
            )
    except _TooManyWeightsError as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error
    except _STUMBLES as error:
        why = _unknown_classes(config, custom_objects) or _line(error)
        raise DamagedFileError(
            f"{path} cannot be loaded: {why} A model with layers of your own is exported "
            "where they are known, in Python: exports.export(model, directory)."
        ) from error


def write_note(path: Path, text: str) -> None:
    """Put a short text into a `.keras` file, where Keras looks for nothing."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = text.encode()


def read_note(path: Path) -> str:
    """Return the text that `write_note` put into a file, or "" if there is none.

    Raises:
        ExportError: if the file is missing or damaged.
    """
    with files.open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return archive.comment.decode()
        except _STUMBLES as error:
            raise DamagedFileError(
                f"{path} is damaged or not a file of Keras: {_line(error)}"
            ) from error


def _unknown_classes(config: dict[str, Any], custom_objects: Mapping[str, Any] | None) -> str:
    """Say which classes the model of `config` needs and this process lacks, if any."""
    described = {name: value for name, value in config.items() if name != "compile_config"}
    try:
        with keras.saving.CustomObjectScope(dict(custom_objects or {})):
            registration.resolved(described)
    except ValueError as error:
        return _line(error)
    except _STUMBLES:  # no config of Keras, whose own error says more
        return ""
    return ""


def _checked(path: Path) -> tuple[dict[str, Any], int]:
    """Hold a file to the limits; return its config, and how many bytes of weights it has."""
    with files.open_regular(path) as file:
        if file.peek().startswith(_HDF5):
            raise DamagedFileError(_conversion(path, file))
        try:
            with zipfile.ZipFile(file) as archive:
                _reject_large(path, archive)
                if damaged := archive.testzip():
                    raise DamagedFileError(f"{path} is damaged: bad checksum of {damaged}")
                if _CONFIG not in archive.namelist():
                    raise DamagedFileError(f"{path} is not a file of Keras: it has no {_CONFIG}")
                said = archive.read(_CONFIG)
                config = files.parse_json(said, dict[str, Any], f"{path}, {_CONFIG},")
                return config, _bytes_of_weights(path, archive)
        except _STUMBLES as error:
            raise DamagedFileError(
                f"{path} is damaged or not a file of Keras: {_line(error)}"
            ) from error


def _reject_large(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    most = _UNPACKED + _TIMES * path.stat().st_size
    if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > most:
        raise DamagedFileError(f"{path} is too large: it would unpack to more than {most:,} bytes")
    for member in members:
        if member.filename == _CONFIG and member.file_size > files.MOST_BYTES:
            raise DamagedFileError(
                f"{path} is too large: its {_CONFIG} has {member.file_size:,} bytes"
            )


def _bytes_of_weights(path: Path, archive: zipfile.ZipFile) -> int:
    """Return the size of the member with the weights; no array in it may claim to be larger."""
    if _WEIGHTS not in archive.namelist():
        return 0
    size, claimed = archive.getinfo(_WEIGHTS).file_size, []
    with archive.open(_WEIGHTS) as member, h5py.File(member) as weights:
        weights.visititems(lambda _, item: claimed.append(getattr(item, "nbytes", 0)))
    if sum(claimed) > size:
        raise DamagedFileError(
            f"{path} is damaged: its weights claim to have {sum(claimed):,} bytes"
        )
    return size


@contextlib.contextmanager
def _no_more_weights_than(size: int) -> Iterator[None]:
    """Let all variables that Keras makes in this block have no more bytes than `size`."""
    validate, left = keras.Variable._validate_shape, size

    def counted(variable: keras.Variable, shape: Any) -> Any:
        nonlocal left
        validated = validate(variable, shape)
        left -= math.prod(validated) * np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype).itemsize
        if left < 0:
            raise _TooManyWeightsError(
                f"its layers want more weights than it has, {variable.path} {list(validated)} too"
            )
        return validated

    keras.Variable._validate_shape = counted
    try:
        yield
    finally:
        keras.Variable._validate_shape = validate


def _conversion(path: Path, file: BufferedReader) -> str:
    """Say how an HDF5 file becomes a `.keras` file."""
    keras_file = str(path.with_suffix(".keras"))
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"model_config") < 0:
            return (
                f"{path} is an HDF5 file of weights alone: build their model in Python, then "
                f"model.load_weights({str(path)!r}) and model.save({keras_file!r})"
            )
        prepared = _TIME_MAJOR_IGNORED if content.find(b'"time_major"') >= 0 else ""
    return (
        f"{path} is an HDF5 file, as Keras 2 wrote it: convert it in Python, {prepared}"
        f"keras.models.load_model({str(path)!r}, compile=False).save({keras_file!r})"
    )


def _line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
