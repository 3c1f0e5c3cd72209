"""Parquet files."""

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import parquet

from pipeline.data.sources.base import BadRow, File, FileSource, Row
from pipeline.errors import PipelineError

_AT_ONCE = 1024  # rows


class Parquet(FileSource):
    """A Parquet file, as pandas, Polars and Spark write it."""

    accepts = "a .parquet file"
    wants = "Its columns are those of a table, a row an example."
    suffixes = (".parquet",)

    def rows(self, file: File) -> Iterator[Row | BadRow]:
        """Read the rows, numbered from 1."""
        number = 0
        try:
            with file.open() as stream, parquet.ParquetFile(stream) as table:
                for batch in table.iter_batches(_AT_ONCE):
                    for values in batch.to_pylist():
                        number += 1
                        yield Row(number, values)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise PipelineError(f"{file.path} is damaged or no Parquet file: {reason}") from error


source = Parquet()
