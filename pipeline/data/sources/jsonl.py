"""JSON lines: an object a line, whose keys are the columns."""

from collections.abc import Iterator
from typing import Any

import msgspec

from pipeline.data.sources.base import BadRow, File, FileSource, Row


class JsonLines(FileSource):
    """A file with a JSON object in each line. A key that an object lacks is an empty value."""

    accepts = "a .jsonl or .ndjson file"
    wants = 'Each line is an example, such as {"text": "...", "label": "..."}.'
    suffixes = (".jsonl", ".ndjson")
    unit = "line"

    def rows(self, file: File) -> Iterator[Row | BadRow]:
        """Read the lines; one that is no JSON object is a fault."""
        decoder = msgspec.json.Decoder(dict[str, Any])
        with file.open() as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    try:
                        yield Row(number, decoder.decode(line))
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                        yield BadRow(number, f"no JSON object ({error})")


source = JsonLines()
