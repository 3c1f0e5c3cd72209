"""JSON lines: an object a line, whose keys are the columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.data.sources.base import FileSource
from pipeline.data.table import Fault


class JsonLines(FileSource):
    """A file with a JSON object in each line. A key that an object lacks is an empty value."""

    accepts = "a .jsonl or .ndjson file"
    wants = 'Each line is an example, such as {"text": "...", "label": "..."}.'
    suffixes = (".jsonl", ".ndjson")
    unit = "line"

    def rows(
        self, path: Path, content: bytes
    ) -> tuple[Mapping[str, Sequence[Any]], Sequence[int], Sequence[Fault]]:
        """Read the lines; one that is no JSON object is a fault."""
        objects: dict[int, dict[str, Any]] = {}
        faults = []
        decoder = msgspec.json.Decoder(dict[str, Any])
        for number, line in enumerate(content.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                objects[number] = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                faults.append(Fault(self.place(path, number), f"no JSON object ({error})"))
        names = dict.fromkeys(name for each in objects.values() for name in each)
        columns = {name: [each.get(name) for each in objects.values()] for name in names}
        return columns, list(objects), faults


source = JsonLines()
