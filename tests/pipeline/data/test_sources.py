"""Sources: rows of a file keep their places, whatever is broken around them."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data import sources

VALUE = st.text(st.characters(blacklist_categories=["C"]), max_size=8)
ROWS = st.lists(st.tuples(VALUE, VALUE, st.booleans()), min_size=1, max_size=12)


@settings(max_examples=50)
@given(rows=ROWS, delimiter=st.sampled_from([",", ";", "\t"]))
def test_rows_of_a_csv_file_are_what_the_standard_library_reads(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, bool]], delimiter: str
) -> None:
    """A row with a value too few is left out, and the others keep their numbers."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["first", "second"])
    for first, second, whole in rows:
        writer.writerow([first, second] if whole else [first])
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    kept = [(number, row) for number, row in enumerate(rows, start=2) if row[2]]
    if not kept:
        return
    table = sources.read(str(path), "skip")
    assert list(table.places) == [f"rows.csv, row {number}" for number, _ in kept]
    assert list(table.column("first")) == [row[0] for _, row in kept]
    assert list(table.column("second")) == [row[1] for _, row in kept]


@settings(max_examples=50)
@given(rows=ROWS)
def test_lines_of_json_keep_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, bool]]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "lines.jsonl"
    lines = [
        json.dumps({"first": first, "second": second}) if whole else "{"
        for first, second, whole in rows
    ]
    path.write_text("\n".join(lines))
    kept = [(number, row) for number, row in enumerate(rows, start=1) if row[2]]
    if not kept:
        return
    table = sources.read(str(path), "skip")
    assert list(table.places) == [f"lines.jsonl, line {number}" for number, _ in kept]
    assert list(table.column("first")) == [row[0] for _, row in kept]
