"""A store of rows on disk, for data sets larger than memory.

An entry of the store is a folder in the cache directory:

    values         the bytes of all rows, concatenated
    ends           the offset at which each row ends, little-endian int64
    sums           the CRC-32 of each row, little-endian uint32
    complete.json  written last: the number of rows, and metadata

The name of the folder is a SHA-256 of the data and the settings that the rows depend on. One
process at a time writes an entry. After an interruption the next process continues behind the last
complete row.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
import tempfile
import time
import weakref
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, overload

import numpy as np
import numpy.typing as npt

from pipeline import files
from pipeline.data import splits
from pipeline.data.cache import VARIABLE, cache_directory
from pipeline.data.splits import Content
from pipeline.data.views import View, batched
from pipeline.data.waiting import counting
from pipeline.errors import PipelineError
from pipeline.examples import InMemoryRagged, Ragged
from pipeline.messages import say

_VERSION = 1  # of the encodings: raise it where the same data and settings give other rows
_ROOM = 20_000_000_000  # bytes; beyond it, entries that were not used for a day are removed
_DAY = 86_400
_COMPLETE = "complete.json"
_ENDS, _SUMS = np.dtype("<i8"), np.dtype("<u4")
_READ_AT_ONCE, _WRITTEN_AT_ONCE = 1024, 256  # rows
_SMALL = 2**22  # bytes of data that are encoded each time, and kept in memory


class _Complete(TypedDict):
    """The content of `complete.json`."""

    rows: int
    metadata: dict[str, Any]


class Rows(Sequence[bytes]):
    """The rows of an entry.

    They are read by `pread`, not mapped: mapped pages count as memory of the process.

    Attributes:
        ends: the offset at which each row ends.
        metadata: of the entry.

    Raises:
        PipelineError: the sizes of the files contradict each other.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ends = np.fromfile(folder / "ends", _ENDS)
        self._sums = np.fromfile(folder / "sums", _SUMS)
        self._file = os.open(folder / "values", os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        complete = files.read_json(folder / _COMPLETE, _Complete)
        self.metadata = complete["metadata"]
        size = int(self.ends[-1]) if len(self.ends) else 0
        counts = {len(self.ends), len(self._sums), complete["rows"]}
        if len(counts) > 1 or os.fstat(self._file).st_size != size:
            raise self._damaged()
        with suppress(OSError):  # of a cache that cannot be written
            os.utime(folder / _COMPLETE)  # it was used

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, row: int) -> bytes: ...
    @overload
    def __getitem__(self, row: slice) -> list[bytes]: ...
    def __getitem__(self, row: int | slice) -> bytes | list[bytes]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        place = range(len(self))[row]
        return self.between(place, place + 1)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self), _READ_AT_ONCE):
            stop = min(start + _READ_AT_ONCE, len(self))
            content = self.between(start, stop)
            edges = (self.ends[start:stop] - self._start(start)).tolist()
            for begin, end in zip([0, *edges], edges, strict=False):
                yield content[begin:end]

    def between(self, start: int, stop: int) -> bytes:
        """Read the rows from `start` to before `stop`, concatenated.

        Raises:
            PipelineError: a checksum is wrong.
        """
        begin = self._start(start)
        edges = (self.ends[start:stop] - begin).tolist()
        content = os.pread(self._file, edges[-1] if edges else 0, begin)
        view = memoryview(content)
        pieces = (view[a:b] for a, b in zip([0, *edges], edges, strict=False))
        if list(map(zlib.crc32, pieces)) != self._sums[start:stop].tolist():
            raise self._damaged()
        return content

    def _start(self, row: int) -> int:
        return int(self.ends[row - 1]) if row else 0

    def _damaged(self) -> PipelineError:
        return PipelineError(f"{self._folder} is damaged. Delete it: it is made again.")


class StoredRagged(Ragged):
    """Arrays in the store, one in each row.

    Args:
        rows: the bytes of the arrays.
        like: an empty array of their type and shape, `[0, ...]`.
        steps: the number of steps, if it is the same for all.
    """

    def __init__(self, rows: Rows, like: npt.NDArray[Any], steps: int | None) -> None:
        width = like.itemsize * int(np.prod(like.shape[1:]))
        super().__init__(np.diff(rows.ends, prepend=0) // width, like, steps)
        self._rows = rows

    def between(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Read the arrays from `start` to before `stop`, concatenated."""
        content = self._rows.between(start, stop)
        return np.frombuffer(content, self.like.dtype).reshape(-1, *self.like.shape[1:])

    @property
    def flat(self) -> npt.NDArray[Any]:
        """All arrays, concatenated. The system limits how many bytes one call reads."""
        starts = range(0, len(self), _READ_AT_ONCE)
        pieces = (self.between(each, min(each + _READ_AT_ONCE, len(self))) for each in starts)
        return np.concatenate([self.like, *pieces])


class Stored(NamedTuple):
    """Values in the store, with the metadata of their entry."""

    values: Sequence[Any]
    metadata: dict[str, Any]


Encode = Callable[[Sequence[Any]], Iterable[npt.NDArray[Any]]]
Metadata = dict[str, Any]
Write = Callable[[int], Generator[bytes, None, Metadata]]


def ragged(
    name: str,
    inputs: Sequence[Any],
    settings: Any,
    encode: Encode,
    *,
    like: npt.NDArray[Any],
    steps: int | None = None,
) -> Ragged:
    """Return the arrays that `encode` makes of `inputs`, from the store if they are there.

    Arrays of little data are not stored: encoding them again is faster than looking them up.

    Args:
        name: of the entry, a word or two.
        inputs: texts, lists of words, recordings or arrays.
        settings: what the arrays depend on beside the inputs.
        encode: makes one array of each of the inputs that it is given.
        like: an empty array of their type and shape, `[0, ...]`.
        steps: the number of steps, if it is the same for all.

    Raises:
        PipelineError: the entry cannot be written, or is damaged.
    """
    contents, size = _measured(map(splits.content, inputs))
    if size <= _SMALL:
        arrays = list(encode(inputs))
        return InMemoryRagged(np.concatenate([like, *arrays]), list(map(len, arrays)), steps)

    def write(start: int) -> Generator[bytes, None, Metadata]:
        for array in encode(inputs[start:]):
            yield np.ascontiguousarray(array, like.dtype).tobytes()
        return {}

    key = (contents, settings, like.dtype.str, like.shape)
    return StoredRagged(_entry(name, key, write, len(inputs)), like, steps)


def values(name: str, key: Any, generate: Callable[[], Iterable[Any]]) -> Stored:
    """Return the values that `generate` gives, from the store if they are there.

    Args:
        name: of the entry, a word or two.
        key: the data and settings that the values depend on.
        generate: gives the values. The metadata are the return value, if it is a generator.

    Raises:
        PipelineError: the entry cannot be written, or is damaged.
    """

    def write(start: int) -> Generator[bytes, None, Metadata]:
        generated, row = iter(generate()), 0
        while True:
            try:
                value = next(generated)
            except StopIteration as end:
                return end.value or {}
            if row >= start:
                yield pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
            row += 1

    rows = _entry(name, key, write)
    return Stored(View(rows, pickle.loads), rows.metadata)


def digest(contents: Iterable[Content]) -> str:
    """Return the SHA-256 of contents in their order."""
    return _measured(contents)[0]


def _measured(contents: Iterable[Content]) -> tuple[str, int]:
    """Return the SHA-256 of contents in their order, and their bytes."""
    total, size = hashlib.sha256(), 0
    for content in contents:
        octets = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        total.update(len(octets).to_bytes(8, "little") + octets)
        size += len(octets)
    return total.hexdigest(), size


def digest_of_files(folder: Path) -> str:
    """Return the SHA-256 of the files in `folder`, and of their names."""
    total = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder)} {content}\n".encode())
    return total.hexdigest()


def _entry(name: str, key: Any, write: Write, total: int | None = None) -> Rows:
    """Return the rows of an entry. If there is none, write it first.

    `write` gives the rows from a number on; `total` is their number, if it is known.
    """
    digest = hashlib.sha256(repr((_VERSION, name, key)).encode()).hexdigest()
    folder = _folder() / f"{name.replace(' ', '-')}-{digest[:40]}"

    def wait(owner: str) -> None:
        say(f"{owner} is preparing {name}: waiting")

    if not _is_complete(folder):
        try:
            with files.owned(folder, wait):
                if not _is_complete(folder):  # else the process that was waited for has written it
                    _write(folder, f"Preparing {name}", write, total)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise PipelineError(
                f"cannot write {folder}: {error.strerror}. Free some space there, or name another "
                f"folder in {VARIABLE}."
            ) from error
        _make_room(folder.parent)
    return Rows(folder)


def _is_complete(folder: Path) -> bool:
    """Say whether there is an entry whose files fit together."""
    if not (folder / _COMPLETE).exists():
        return False
    try:
        Rows(folder)
    except (OSError, PipelineError):
        return False
    return True


def _write(folder: Path, title: str, write: Write, total: int | None) -> None:
    """Append the missing rows to an entry."""
    if (folder / _COMPLETE).exists():  # but it is damaged
        for path in files.contents(folder):
            path.unlink()
    start, end = _truncate(folder)
    metadata: Metadata = {}

    def rows() -> Iterator[bytes]:
        nonlocal metadata
        metadata = yield from write(start)

    count = start
    with (
        (folder / "values").open("ab") as values_file,
        (folder / "ends").open("ab") as ends_file,
        (folder / "sums").open("ab") as sums_file,
        counting(title, total, start) as advance,
    ):
        for batch in batched(rows(), _WRITTEN_AT_ONCE):
            ends = end + np.cumsum([len(row) for row in batch], dtype=_ENDS)
            sums = np.array([*map(zlib.crc32, batch)], _SUMS)
            values_file.writelines(batch)
            ends_file.write(ends.tobytes())
            sums_file.write(sums.tobytes())
            count, end = count + len(batch), int(ends[-1])
            advance(len(batch))
    files.write(folder / _COMPLETE, json.dumps({"rows": count, "metadata": metadata}))


def _truncate(folder: Path) -> tuple[int, int]:
    """Cut off incomplete rows; return the number of the others, and where the last one ends."""
    widths = {"values": 1, "ends": _ENDS.itemsize, "sums": _SUMS.itemsize}
    for name in widths:
        (folder / name).touch()
    sizes = {name: (folder / name).stat().st_size // width for name, width in widths.items()}
    ends = np.fromfile(folder / "ends", _ENDS)[: sizes["sums"]]
    rows = int(np.searchsorted(ends, sizes["values"], side="right"))
    end = int(ends[rows - 1]) if rows else 0
    for name, width in widths.items():
        os.truncate(folder / name, width * (end if name == "values" else rows))
    return rows, end


def _folder() -> Path:
    """Return the folder of the store: a temporary one, if the cache cannot be written."""
    folder = cache_directory() / "store"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if folder.is_dir() and os.access(folder, os.W_OK):
        return folder
    return Path(_temporary().name)


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="keras-recurrent-")


def _make_room(folder: Path) -> None:
    """Remove the entries of the store that were not used for the longest time, and not today."""
    sizes, used = {}, {}
    for entry in folder.iterdir():
        with suppress(OSError):  # another process has just removed it
            found = [path.stat() for path in entry.iterdir()]
            sizes[entry] = sum(each.st_size for each in found)
            used[entry] = max(each.st_mtime for each in found)
    total = sum(sizes.values())
    for entry in sorted(sizes, key=used.__getitem__):
        if total > _ROOM and used[entry] < time.time() - _DAY:
            shutil.rmtree(entry, ignore_errors=True)
            total -= sizes[entry]
