"""Tagged sentences: a token and its tag a line, a blank line between sentences."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.data.sources.base import BadRow, File, FileSource, Row, lines

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

    def rows(self, file: File) -> Iterator[Row | BadRow]:
        """Read the sentences, each numbered by its first line; one with a faulty line is a fault.

        All lines must have as many columns as the first, or a tag might be read from another one.
        """
        is_universal = file.suffix == ".conllu"
        columns = {"tokens": 1, "tags": 3} if is_universal else {"tokens": 0, "tags": -1}
        width = 10 if is_universal else 0
        for found in _sentences(lines(file), "#" if is_universal else "# "):
            width = width or max(2, len(found[0].values))
            wrong = next((line for line in found if len(line.values) != width), None)
            if wrong:
                yield BadRow(wrong.number, f"{len(wrong.values)} values for {width} columns")
            elif words := [line.values for line in found if not _is_no_word(line, is_universal)]:
                sentence = {
                    name: [values[place] for values in words] for name, place in columns.items()
                }
                yield Row(found[0].number, sentence)


def _sentences(text: Iterable[str], comment: str) -> Iterator[list[_Line]]:
    """Give the lines of each sentence. Before its first token may be lines of comments."""
    found: list[_Line] = []
    for number, line in enumerate(text, start=1):
        line = line.rstrip(" \t\r")
        if not line:
            if found:
                yield found
            found = []
        elif found or not f"{line} ".startswith(comment):
            values = line.split("\t") if "\t" in line else line.split()
            if values[0] != _DOCUMENT:
                found.append(_Line(number, values))
    if found:
        yield found


def _is_no_word(line: _Line, is_universal: bool) -> bool:
    return is_universal and _NO_WORD.fullmatch(line.values[0]) is not None


source = Conll()
