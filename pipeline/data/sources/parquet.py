"""Parquet files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from pipeline.data.sources.base import FileSource
from pipeline.data.table import Fault
from pipeline.errors import PipelineError


class Parquet(FileSource):
    """A Parquet file, as pandas, Polars and Spark write it."""

    accepts = "a .parquet file"
    wants = "Its columns are those of a table, a row an example."
    suffixes = (".parquet",)

    def rows(
        self, path: Path, content: bytes
    ) -> tuple[Mapping[str, Sequence[Any]], Sequence[int], Sequence[Fault]]:
        """Read the rows, numbered from 1."""
        try:
            table = parquet.read_table(pa.BufferReader(content))
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise PipelineError(f"{path} is damaged or no Parquet file: {reason}") from error
        return table.to_pydict(), range(1, 1 + table.num_rows), []


source = Parquet()
