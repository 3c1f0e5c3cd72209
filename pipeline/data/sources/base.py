"""What a source of data is, and what sources of files have in common."""

from __future__ import annotations

import codecs
import glob
import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple

import pyarrow as pa

from pipeline import files
from pipeline.data import images, sound, store
from pipeline.data.table import Fault, OnError, Table, reject
from pipeline.data.views import View
from pipeline.errors import PipelineError

COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")

_BLOCK = 2**20  # bytes


class Source(ABC):
    """One kind of data. It yields raw examples and knows no model.

    Attributes:
        accepts: what the user names, in a few words.
        wants: what such data must hold, in a sentence.
    """

    accepts: ClassVar[str]
    wants: ClassVar[str]

    @abstractmethod
    def reads(self, data: str) -> bool:
        """Say whether `data` is of this kind, by its name."""

    @abstractmethod
    def read(self, data: str, on_error: OnError) -> Table:
        """Read the rows of `data`.

        Raises:
            PipelineError: it is not there, or damaged.
        """


class Row(NamedTuple):
    """A row of a file: its number there, and the value of each column that it has."""

    number: int
    values: Mapping[str, Any]


class BadRow(NamedTuple):
    """A row that cannot be read: its number in the file, and why."""

    number: int
    reason: str


class File(NamedTuple):
    """A file of data, maybe compressed."""

    path: Path

    @property
    def suffix(self) -> str:
        """How its name ends, but for the compression."""
        return _suffix(str(self.path))

    def open(self) -> BinaryIO:
        """Open it to be read, decompressed."""
        return io.BufferedReader(pa.input_stream(str(self.path), compression="detect"), _BLOCK)

    def text(self) -> BinaryIO:
        """Open it to be read, decompressed; reading raises an error if it is not UTF-8."""
        return io.BufferedReader(_Utf8(self), _BLOCK)


class FileSource(Source):
    """Data in a file, or in several of a kind, which may be compressed.

    Attributes:
        suffixes: how the names of such files end.
        unit: what a row is called.
    """

    suffixes: ClassVar[tuple[str, ...]]
    unit: ClassVar[str] = "row"

    def reads(self, data: str) -> bool:
        """Say whether the name ends as such files do."""
        return _suffix(data) in self.suffixes

    def read(self, data: str, on_error: OnError) -> Table:
        """Read the file, or all that match a pattern such as `logs/*.jsonl.gz`."""
        found = files_of(data)
        if all(map(_is_blank, found)):
            raise PipelineError(f"{data} is empty. {self.wants}")
        version = _version(found)
        content = (type(self).__name__, [file.suffix for file in found], version)
        stored = store.values(
            f"rows of {self.suffixes[0][1:]}", content, partial(self._rows, found)
        )

        def place(file: int, number: int) -> str:
            return f"{found[file].path.name}, {self.unit} {number}"

        reject([Fault(place(*at), why) for *at, why in stored.metadata["faults"]], on_error)
        folders = [file.path.parent for file in found]
        columns = {name: _column(stored.values, name, folders) for name in stored.metadata["names"]}
        places = View(stored.values, lambda row: place(*row[:2]))
        return Table(Path(data).name, version, columns, places)

    @abstractmethod
    def rows(self, file: File) -> Iterator[Row | BadRow]:
        """Read the rows of a file.

        Raises:
            PipelineError: the file as a whole is damaged.
        """

    def _rows(self, found: Sequence[File]) -> Generator[Any, None, dict[str, Any]]:
        """Give the number of the file, that of the row, and the values of each row."""
        names: dict[str, None] = {}
        faults: list[tuple[int, int, str]] = []
        for place, file in enumerate(found):
            with _explained(file):
                for row in self.rows(file):
                    if isinstance(row, BadRow):
                        faults.append((place, *row))
                    else:
                        names.update(dict.fromkeys(row.values))
                        yield place, row.number, dict(row.values)
        return {"names": [*names], "faults": faults}


def files_of(data: str) -> list[File]:
    """Return the file called `data`, or the files that match it, in the order of their names.

    Raises:
        PipelineError: there is none, or one is no regular file.
    """
    path = Path(data)
    matching = [path] if path.exists() or not glob.has_magic(data) else map(Path, glob.glob(data))
    found = [File(path) for path in sorted(matching)]
    if not found:
        raise PipelineError(f"no file matches {data}")
    for file in found:
        files.reject_irregular(file.path)
    return found


class _Utf8(io.RawIOBase):
    """The bytes of a file that must be text.

    Raises:
        PipelineError: they are not UTF-8.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._stream = file.open()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._stream.read(len(buffer))
        try:
            self._decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            name, line = self._file.path.name, 1 + self._lines
            line += error.object[: error.start].count(b"\n")
            raise PipelineError(
                f"{name}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8. Save "
                f"the file as UTF-8, for example: iconv -f latin1 -t utf-8 {name}"
            ) from error
        self._lines += content.count(b"\n")
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        super().close()


def lines(file: File) -> Iterator[str]:
    """Give the lines of a text file, without their line feeds.

    Raises:
        PipelineError: it is not UTF-8.
    """
    with io.TextIOWrapper(file.text(), encoding="utf-8-sig", newline="\n") as stream:
        for line in stream:
            yield line.removesuffix("\n")


@contextmanager
def _explained(file: File) -> Iterator[None]:
    """Say what to do about a compressed file that is damaged."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise PipelineError(f"{file.path} is damaged: {reason}. Get it anew.") from error


def _suffix(name: str) -> str:
    path = Path(name.lower())
    return (path.with_suffix("") if path.suffix in COMPRESSED else path).suffix


def _is_blank(file: File) -> bool:
    with _explained(file), file.open() as stream:
        return not any(block.strip() for block in iter(partial(stream.read, _BLOCK), b""))


def _version(found: Sequence[File]) -> str:
    """Return the SHA-256 of a file, or of the SHA-256 of each of several."""
    digests = []
    for file in found:
        with file.path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    )


def _column(rows: Sequence[Any], name: str, folders: Sequence[Path]) -> Sequence[Any]:
    """Return the values of a column: paths, if all of them name sound files, or images.

    Such files are beside the table that names them; `folders` are those of the tables.
    """

    def value(row: tuple[int, int, Mapping[str, Any]]) -> Any:
        return row[-1].get(name)

    def path(row: tuple[int, int, Mapping[str, Any]]) -> Path | None:
        return folders[row[0]] / value(row) if _is_name(value(row)) else None

    for suffixes in (sound.SUFFIXES, images.SUFFIXES):
        named = filter(_is_name, map(value, rows))
        if next(named, "").lower().endswith(suffixes) and all(
            each.lower().endswith(suffixes) for each in named
        ):
            return View(rows, path)
    return View(rows, value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
