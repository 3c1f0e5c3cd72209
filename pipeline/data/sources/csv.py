"""Tables of values between commas, semicolons or tabs; the first row names the columns."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from pipeline.data.sources.base import FileSource, decoded
from pipeline.data.table import Fault
from pipeline.errors import PipelineError


class Delimited(FileSource):
    """A CSV or TSV file in UTF-8. Every value stays the text that it is."""

    accepts = "a .csv or .tsv file"
    wants = "The first row names the columns, and each further row is an example."
    suffixes = (".csv", ".tsv")

    def rows(
        self, path: Path, content: bytes
    ) -> tuple[Mapping[str, Sequence[Any]], Sequence[int], Sequence[Fault]]:
        """Read the rows; one with too few or too many values is a fault."""
        decoded(path, content)
        faulty: dict[int, Fault] = {}

        def note(row: csv.InvalidRow) -> str:
            reason = f"{row.actual_columns} values for {row.expected_columns} columns"
            faulty[row.number] = Fault(self.place(path, row.number), reason)
            return "skip"

        delimiter = _delimiter(path, content)
        options = {
            "read_options": csv.ReadOptions(use_threads=False, block_size=max(len(content), 1)),
            "parse_options": csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
        }
        try:
            names = csv.open_csv(BytesIO(content), **options).schema.names
            faulty.clear()
            table = csv.read_csv(
                BytesIO(content),
                **options,
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid as error:
            raise PipelineError(f"{path} is not a table: {error}. {self.wants}") from error
        if twice := {name for name in names if names.count(name) > 1}:
            raise PipelineError(f"{path} names two columns {min(twice)!r}: rename one of them.")
        total = table.num_rows + len(faulty)
        numbers = [number for number in range(2, 2 + total) if number not in faulty]
        return table.to_pydict(), numbers, list(faulty.values())


def _delimiter(path: Path, content: bytes) -> str:
    header = content.split(b"\n", 1)[0].decode()
    if path.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t", key=header.count)


source = Delimited()
