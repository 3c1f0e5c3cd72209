"""Tagged sentences: a token and its tag a line, a blank line between sentences."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.data.sources.base import FileSource, decoded
from pipeline.data.table import Fault

_DOCUMENT = "-DOCSTART-"  # begins a line that is no token
_NO_WORD = re.compile(r"\d+[-.]\d+")  # the id, in CoNLL-U, of a contraction or an empty node


class _Line(NamedTuple):
    """A line of a sentence, and its number in the file."""

    number: int
    values: list[str]


class Conll(FileSource):
    """A file of tagged sentences, in columns between tabs or spaces.

    The token is the first column, and its tag the last; in CoNLL-U, they are FORM and UPOS.
    """

    accepts = "a .conll, .conllu, .bio, .iob or .iob2 file"
    wants = "Each line is a token and its tag, and a blank line ends a sentence."
    suffixes = (".conll", ".conllu", ".bio", ".iob", ".iob2")
    unit = "line"

    def rows(
        self, path: Path, content: bytes
    ) -> tuple[Mapping[str, Sequence[Any]], Sequence[int], Sequence[Fault]]:
        """Read the sentences, each numbered by its first line; one with a faulty line is a fault.

        All lines must have as many columns as the first, or a tag might be read from another one.
        """
        is_universal = path.suffix.lower() == ".conllu"
        token, tag = (1, 3) if is_universal else (0, -1)
        width = 10 if is_universal else 0
        found: dict[int, list[list[str]]] = {}
        faults = []
        for lines in _sentences(decoded(path, content), "#" if is_universal else "# "):
            width = width or max(2, len(lines[0].values))
            wrong = next((line for line in lines if len(line.values) != width), None)
            if wrong:
                reason = f"{len(wrong.values)} values for {width} columns"
                faults.append(Fault(self.place(path, wrong.number), reason))
            elif words := [line.values for line in lines if not _is_no_word(line, is_universal)]:
                found[lines[0].number] = words
        columns = {
            name: [[values[place] for values in words] for words in found.values()]
            for name, place in {"tokens": token, "tags": tag}.items()
        }
        return columns, [*found], faults


def _sentences(text: str, comment: str) -> Iterator[list[_Line]]:
    """Give the lines of each sentence. Before its first token may be lines of comments."""
    lines: list[_Line] = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip(" \t\r")
        if not line:
            if lines:
                yield lines
            lines = []
        elif lines or not f"{line} ".startswith(comment):
            values = line.split("\t") if "\t" in line else line.split()
            if values[0] != _DOCUMENT:
                lines.append(_Line(number, values))
    if lines:
        yield lines


def _is_no_word(line: _Line, is_universal: bool) -> bool:
    return is_universal and _NO_WORD.fullmatch(line.values[0]) is not None


source = Conll()
