"""Sources: rows of a file keep their places, whatever is broken around them."""

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data import sources
from pipeline.errors import PipelineError

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


COMPRESSIONS = ("", ".gz", ".bz2", ".zst", ".lz4")
LOGS = [[("a", "é"), ("b", '"')], [("c", "\n")], [("d", ",")]]


def log(rows: list[tuple[str, str]], kind: str) -> bytes:
    if kind == ".jsonl":
        return "\n".join(json.dumps({"id": id, "text": text}) for id, text in rows).encode()
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("id", "text"), *rows])
    return text.getvalue().encode()


def write_logs(folder: Path, kind: str, compression: str) -> list[Path]:
    paths = [folder / f"{number}{kind}{compression}" for number in range(len(LOGS))]
    for path, rows in zip(paths, LOGS, strict=True):
        with pa.output_stream(str(path), compression="detect") as file:
            file.write(log(rows, kind))
    return paths


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", [".csv", ".jsonl"])
def test_files_that_match_a_pattern_are_one_table(
    kind: str, compression: str, tmp_path: Path
) -> None:
    write_logs(tmp_path, kind, compression)
    table = sources.read(f"{tmp_path}/*{kind}{compression}")
    rows = list(zip(table.column("id"), table.column("text"), strict=True))
    assert rows == [row for log in LOGS for row in log]
    first, *_, last = table.places
    assert first.startswith(f"0{kind}{compression}, ") and last.startswith(
        f"2{kind}{compression}, "
    )
    alone = sources.read(str(tmp_path / f"1{kind}{compression}"))
    assert list(alone.column("id")) == ["c"] and alone.version != table.version


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".zst"])
@pytest.mark.parametrize("kept", [1, 20, -3])
def test_a_compressed_file_that_is_cut_off(kept: int, compression: str, tmp_path: Path) -> None:
    path = write_logs(tmp_path, ".jsonl", compression)[0]
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(PipelineError, match=rf"0\.jsonl\{compression} is damaged"):
        sources.read(str(path))


def test_files_are_beside_the_table_that_names_them(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sounds.csv").write_text("sound,label\na.wav,x\n,y\n")
    table = sources.read(f"{tmp_path}/*/sounds.csv")
    sounds = [tmp_path / "first" / "a.wav", None, tmp_path / "second" / "a.wav", None]
    assert list(table.column("sound")) == sounds


def test_no_file_matches(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no file matches .*\*\.csv"):
        sources.read(f"{tmp_path}/*.csv")


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "log[1].csv"
    path.write_text("id\na\n")
    assert list(sources.read(str(path)).column("id")) == ["a"]


@given(places=st.lists(st.integers(0, 200_000), min_size=1, max_size=3))
@settings(max_examples=20)
def test_bytes_that_are_not_utf_8_are_found_in_their_line(places: list[int]) -> None:
    lines = [b"text,label", *[b"some text,1"] * 20_000]
    content = bytearray(b"\n".join(lines))
    for place in places:
        content[place] = 0xFF
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(content)
        number = content[: min(places)].count(b"\n") + 1
        with pytest.raises(
            PipelineError, match=rf"rows\.csv, line {number:d}: byte 0xff is not UTF-8"
        ):
            sources.read(str(path))


def test_a_row_of_many_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "a" * 2**23 + ",1\nb,2\n")
    assert list(map(len, sources.read(str(path)).column("text"))) == [2**23, 1]
