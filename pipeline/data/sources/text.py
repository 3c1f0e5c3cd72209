"""Files of plain text: a text a line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.data.sources.base import FileSource, decoded
from pipeline.data.table import Fault

COLUMN = "text"


class Lines(FileSource):
    """A text file in UTF-8. Blank lines are left out."""

    accepts = "a .txt file"
    wants = "Each line is a text."
    suffixes = (".txt",)
    unit = "line"

    def rows(
        self, path: Path, content: bytes
    ) -> tuple[Mapping[str, Sequence[Any]], Sequence[int], Sequence[Fault]]:
        """Read the lines."""
        lines = decoded(path, content).split("\n")
        filled = {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}
        return {COLUMN: [*filled.values()]}, [*filled], []


source = Lines()
