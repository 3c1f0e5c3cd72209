"""Files that others wrote: regular ones, no larger and no deeper than they may be."""

import hashlib
import json
import os
import re
import stat
from io import BufferedReader, FileIO
from pathlib import Path
from typing import TypeVar

import msgspec

from exports.errors import DamagedFileError

MOST_BYTES = 2**26  # of a file that is read whole
_MOST_DEPTH = 100  # lists and objects inside each other, in JSON
_MOST_MEMORY = 2**29  # that parsed JSON may take
_PER_VALUE, _PER_CONTAINER = 128, 256  # bytes that CPython takes, at most, beside those of the text
# It matches to the end of the text where a string does not end, so that no text takes long.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

T = TypeVar("T")


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read bytes from. Nothing that is no regular file is waited for.

    Raises:
        ExportError: if it is missing, or a directory, a FIFO, a device or a socket.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise DamagedFileError(f"there is no file {path}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DamagedFileError(f"{path} cannot be read: {_reason(error)}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DamagedFileError(f"{path} is not a regular file")
    return BufferedReader(FileIO(descriptor))


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a file.

    Raises:
        ExportError: if it is no regular file, cannot be read, or has more than `most` bytes.
    """
    with open_regular(path) as file:
        try:
            content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
        except OSError as error:
            raise DamagedFileError(f"{path} cannot be read: {_reason(error)}") from error
    if len(content) > most:
        raise DamagedFileError(f"{path} is too large: it has more than {most:,} bytes")
    return content


def read_text(path: Path) -> str:
    """Return the text in a file.

    Raises:
        ExportError: if the file cannot be read, is too large, or holds no UTF-8 text.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"{path} is damaged: it is not UTF-8 text") from error


def digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        ExportError: if it is no regular file or cannot be read.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, kind: type[T]) -> T:
    """Read JSON as a value of the type `kind`.

    Raises:
        ExportError: if the file cannot be read, is too large, or holds something else.
    """
    return parse_json(read_bytes(path), kind, str(path))


def parse_json(content: bytes, kind: type[T], where: str) -> T:
    """Return the value of the type `kind` that `content`, found at `where`, is as JSON.

    Raises:
        ExportError: if it is something else, or too large or too deep to be looked at.
    """
    _reject_costly(content, where)
    try:
        parsed = json.loads(content, object_pairs_hook=_without_repetition)
        if rb"\ud" in content.lower():
            json.dumps(parsed, ensure_ascii=False).encode()  # raises for half a surrogate pair
    except ValueError as error:
        raise DamagedFileError(f"{where} is damaged: {error}") from error
    try:
        return msgspec.convert(parsed, kind)
    except msgspec.ValidationError as error:
        raise DamagedFileError(f"{where} is damaged: {error}") from error


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object: of two values of one name, other readers may take the other one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{repeated!r} stands twice in one object")
    return found


def _reject_costly(content: bytes, where: str) -> None:
    """Raise for JSON that would take too much memory, or too deep a recursion, to parse."""
    brackets = _STRING.sub(b"", content).translate(None, _NO_BRACKETS)
    values = content.count(b",") + len(brackets) // 2
    if values * _PER_VALUE + len(brackets) // 2 * _PER_CONTAINER > _MOST_MEMORY:
        raise DamagedFileError(f"{where} is too large: it holds about {values:,} values")
    depth = deepest = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > _MOST_DEPTH:
        raise DamagedFileError(f"{where} is damaged: it has more than {_MOST_DEPTH} levels")


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
