"""Tables of values between commas, semicolons or tabs; the first row names the columns."""

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import csv

from pipeline.data.sources.base import BadRow, File, FileSource, Row
from pipeline.errors import PipelineError

_BLOCK = 2**24  # bytes that are read at once, which a row must fit into


class Delimited(FileSource):
    """A CSV or TSV file in UTF-8. Every value stays the text that it is."""

    accepts = "a .csv or .tsv file"
    wants = "The first row names the columns, and each further row is an example."
    suffixes = (".csv", ".tsv")

    def rows(self, file: File) -> Iterator[Row | BadRow]:
        """Read the rows; one with too few or too many values is a fault."""
        faulty: dict[int, BadRow] = {}

        def note(row: csv.InvalidRow) -> str:
            reason = f"{row.actual_columns} values for {row.expected_columns} columns"
            faulty[row.number] = BadRow(row.number, reason)
            return "skip"

        options = {
            "read_options": csv.ReadOptions(use_threads=False, block_size=_BLOCK),
            "parse_options": csv.ParseOptions(
                delimiter=_delimiter(file), newlines_in_values=True, invalid_row_handler=note
            ),
        }
        try:
            with csv.open_csv(file.text(), **options) as reader:
                names = reader.schema.names
            if twice := {name for name in names if names.count(name) > 1}:
                raise PipelineError(
                    f"{file.path} names two columns {min(twice)!r}: rename one of them."
                )
            faulty.clear()
            texts = csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            )
            number = 1
            with csv.open_csv(file.text(), **options, convert_options=texts) as reader:
                for batch in reader:
                    for values in zip(*batch.to_pydict().values(), strict=True):
                        number += 1
                        while number in faulty:
                            number += 1
                        yield Row(number, dict(zip(names, values, strict=True)))
        except pa.ArrowInvalid as error:
            raise PipelineError(f"{file.path} is not a table: {error}. {self.wants}") from error
        yield from faulty.values()


def _delimiter(file: File) -> str:
    if file.suffix == ".tsv":
        return "\t"
    with file.text() as stream:
        header = stream.readline().decode()
    return max(",;\t", key=header.count)


source = Delimited()
