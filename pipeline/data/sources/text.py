"""Files of plain text: a text a line."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from pipeline.data.sources.base import BadRow, File, FileSource, Row, files_of, lines
from pipeline.data.table import OnError, Table

COLUMN = "text"


class Lines(FileSource):
    """A text file in UTF-8. Blank lines are left out."""

    accepts = "a .txt file"
    wants = "Each line is a text."
    suffixes = (".txt",)
    unit = "line"

    def read(self, data: str, on_error: OnError) -> Table:
        """Read the lines, and know the text that they are of."""
        return replace(super().read(data, on_error), running=partial(_running, data))

    def rows(self, file: File) -> Iterator[Row | BadRow]:
        """Read the lines."""
        for number, line in enumerate(lines(file), start=1):
            if line.strip():
                yield Row(number, {COLUMN: line.strip()})


def _running(data: str) -> str:
    return "\n".join(line.removesuffix("\r") for file in files_of(data) for line in lines(file))


source = Lines()
