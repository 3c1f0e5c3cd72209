"""What a source of data is, and what sources of one file have in common."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pipeline import files
from pipeline.data import sound
from pipeline.data.table import Fault, OnError, Table, reject
from pipeline.errors import PipelineError


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


class FileSource(Source):
    """Data in one file.

    Attributes:
        suffixes: how the names of such files end.
        unit: what a row is called.
    """

    suffixes: ClassVar[tuple[str, ...]]
    unit: ClassVar[str] = "row"

    def reads(self, data: str) -> bool:
        """Say whether the name ends as such files do."""
        return Path(data).suffix.lower() in self.suffixes

    def read(self, data: str, on_error: OnError) -> Table:
        """Read the file."""
        path = Path(data)
        files.reject_irregular(path)
        content = path.read_bytes()
        if not content.strip():
            raise PipelineError(f"{data} is empty. {self.wants}")
        columns, numbers, faults = self.rows(path, content)
        reject(faults, on_error)
        version = hashlib.sha256(content).hexdigest()
        places = [self.place(path, number) for number in numbers]
        found = {name: _paths(path.parent, values) for name, values in columns.items()}
        return Table(path.name, version, found, places)

    def place(self, path: Path, number: int) -> str:
        """Say where a row is."""
        return f"{path.name}, {self.unit} {number}"

    @abstractmethod
    def rows(
        self, path: Path, content: bytes
    ) -> tuple[Mapping[str, Sequence[Any]], Sequence[int], Sequence[Fault]]:
        """Return the columns in `content`, the number of each row, and the rows it cannot read.

        Raises:
            PipelineError: the content as a whole is damaged.
        """


def decoded(path: Path, content: bytes) -> str:
    """Return the text in `content`.

    Raises:
        PipelineError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PipelineError(
            f"{path.name}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8. Save "
            f"the file as UTF-8, for example: iconv -f latin1 -t utf-8 {path.name}"
        ) from error


def _paths(folder: Path, values: Sequence[Any]) -> Sequence[Any]:
    """Return the paths of sound files where values name some, beside the table in `folder`."""
    named = {value for value in values if isinstance(value, str) and value.strip()}
    if not named or not all(name.lower().endswith(sound.SUFFIXES) for name in named):
        return values
    return [
        folder / value if isinstance(value, str) and value in named else None for value in values
    ]
