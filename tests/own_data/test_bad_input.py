"""Files that cannot be learnt from: one line each, and no run directory."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.own_data import sentences
from tests.own_data.loads import BEGIN, loads
from tests.own_data.tickets import tickets, write
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]
Row = Mapping[str, Any]

ROWS = tickets(60)
BROKEN = 7  # the row in which a value is wrong


class Task(NamedTuple):
    """What a task learns from, and what is wrong with a value or with all rows.

    Attributes:
        options: which columns it learns from.
        rows: of a good table.
        values: a column and a value that it cannot have, and what is said.
        tables: other rows, and what is said.
    """

    options: Sequence[str]
    rows: Sequence[Row]
    values: Sequence[tuple[str, Any, str]]
    tables: Mapping[str, tuple[Sequence[Row], str]]


def with_all(rows: Sequence[Row], **changes: Any) -> list[Row]:
    return [{**row, **changes} for row in rows]


def without(rows: Sequence[Row], column: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name != column} for row in rows]


TICKETS = [row._asdict() for row in ROWS]
STARS = [{"review": row.body, "stars": float(len(row.body))} for row in ROWS]
WORDS = [
    {"sentence": f"s{number}", "word": word, "tag": tag}
    for number, each in enumerate(sentences.sentences(40))
    for word, tag in zip(*each, strict=True)
]
HOURS = [{name: row[name] for name in ("stamp", "mw", "wind")} for row in loads(100)]
NUMBERS = [
    ("two", "'two', not a number"),
    ("1,5", "'1,5', not a number"),
    ("9" * 400, "not a finite number"),
    (10**400, "beyond the largest number"),
    (1e300, "beyond the largest number"),
    ("inf", "'inf', not a finite number"),
    ("a\0b", "not a number"),
    ("x" * 10**5, "not a number"),
    ([1.0], "not a number"),
    ({"a": 1}, "not a number"),
]
TASKS = {
    "classify": Task(
        [],
        TICKETS,
        [
            ("team", "", "team is empty"),
            ("team", None, "team is empty"),
            ("team", {"a": 1}, "not a label"),
            ("team", ["a"], "not a label"),
            ("team", 0.5, "not a label"),
            ("body", "", "body is empty"),
            ("body", "   ", "body is empty"),
            ("body", None, "body is empty"),
            ("body", ["a"], "body is list"),
            ("team", "x" * 10**5, "once"),
        ],
        {
            "no label": (without(TICKETS, "team"), "no column of labels"),
            "no text": (without(TICKETS, "body"), "no column of texts"),
            "two labels": (
                [{**row, "city": f"c{number % 3}"} for number, row in enumerate(TICKETS)],
                "may be the label: team, city",
            ),
            "few rows": (TICKETS[:4], "no example for the"),
            "one class": (with_all(TICKETS, team="billing"), "one label, 'billing'"),
            "one text": (with_all(TICKETS, body="the same"), "no column of texts"),
            "a class once": (
                [*TICKETS, {**TICKETS[0], "body": "new text", "team": "legal"}],
                "'legal' once",
            ),
        },
    ),
    "regress": Task(
        ["--text=review", "--target=stars"],
        STARS,
        [
            *(("stars", value, said) for value, said in NUMBERS),
            ("stars", "", "stars is empty"),
            ("stars", "nan", "not a finite number"),
            ("review", " ", "review is empty"),
            ("review", {"a": 1}, "review is dict"),
        ],
        {
            "no target": (without(STARS, "stars"), "Column 'stars' is not in"),
            "no text": (without(STARS, "review"), "Column 'review' is not in"),
            "few rows": (STARS[:4], "no example for the"),
            "one number": (with_all(STARS, stars=3.0), "stars is 3"),
        },
    ),
    "tag": Task(
        ["--text=word", "--sequence-id=sentence", "--label=tag"],
        WORDS,
        [
            ("tag", "", "tag is empty at step"),
            ("tag", {"a": 1}, "not a label at step"),
            ("tag", ["O"], "not a label at step"),
            ("word", "", "not a word, at step"),
            ("word", " ", "not a word, at step"),
            ("word", "a\0b", "not a word, at step"),
            ("word", 3, "3, not a word, at step"),
            ("word", ["a"], "not a word, at step"),
            ("sentence", "", "sentence is empty"),
            ("sentence", {"a": 1}, "not a label"),
        ],
        {
            "no tag": (without(WORDS, "tag"), "Column 'tag' is not in"),
            "no word": (without(WORDS, "word"), "Column 'word' is not in"),
            "no sentence": (without(WORDS, "sentence"), "Column 'sentence' is not in"),
            "few rows": (WORDS[:9], "no example for the"),
            "one tag": (with_all(WORDS, tag="O"), "one label, 'O'"),
            "one sentence": (with_all(WORDS, sentence="s"), "no example for the"),
        },
    ),
    "forecast": Task(
        ["--time=stamp", "--target=mw", "--past-covariates=wind", "--window=12", "--horizon=4"],
        HOURS,
        [
            *(("mw", value, said) for value, said in NUMBERS),
            ("wind", "much", "'much', not a number"),
            ("stamp", "", "stamp is empty"),
            ("stamp", "noon", "'noon', not a time"),
            ("stamp", "2024-13-01", "not a time"),
            ("stamp", HOURS[0]["stamp"], "stamp is that of"),
            ("stamp", "2024-01-01T07:30", "steps of 1 hour after"),
            ("stamp", "9999-12-31", "steps of 1 hour after"),
            ("stamp", "7", "stamp is"),
        ],
        {
            "no time": (without(HOURS, "stamp"), "Column 'stamp' is not in"),
            "no target": (without(HOURS, "mw"), "Column 'mw' is not in"),
            "no value": (with_all(HOURS, mw=""), "no window for the train split"),
            "few rows": (HOURS[:9], "no window for the"),
            "one time": (with_all(HOURS, stamp="2024-01-01"), "two rows with different times"),
            "irregular": (
                [
                    {**row, "stamp": BEGIN + timedelta(hours=hour, minutes=hour**2 % 60)}
                    for hour, row in enumerate(HOURS)
                ],
                "steps of 15 minutes after",
            ),
        },
    ),
}


def written(rows: Sequence[Row], suffix: str) -> bytes:
    """Write rows in a format; a value that it cannot hold raises an error."""
    if suffix == ".jsonl":
        return "".join(f"{json.dumps(row, default=str)}\n" for row in rows).encode()
    if suffix == ".parquet":
        binary = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(list(rows)), binary)
        return binary.getvalue()
    text = io.StringIO()
    delimiter = "\t" if suffix == ".tsv" else ","
    table = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def delimited(good: bytes, delimiter: bytes) -> dict[str, tuple[bytes, str]]:
    """Spoil a CSV or TSV file: its bytes, and what is said."""
    header, body = good.split(b"\n", 1)
    width, row = header.count(delimiter) + 1, good.count(b"\n") + 1
    first = header.split(delimiter)[0].decode()
    return {
        "nothing": (b"", "is empty"),
        "blanks": (b"  \n\n \n", "is empty"),
        "a header alone": (header + b"\n", "has no rows"),
        "too few values": (good + b"x\n", f"row {row}: 1 values for {width} columns"),
        "too many values": (good + delimiter * width + b"\n", f"row {row}: {width + 1} values"),
        "latin-1": (good + b"caf\xe9\n", f"line {row}: byte 0xe9 is not UTF-8"),
        "utf-16": (good.decode().encode("utf-16"), "is not UTF-8"),
        "bytes": (bytes(range(256)) * 9, "is not UTF-8"),
        "zeros": (bytes(999), "is not a table"),
        "an open quote": (b'"' + good, "is not a table"),
        "a quote at the end": (good + b'"', f"row {row}: 1 values for {width} columns"),
        "a column twice": (
            header + delimiter + first.encode() + b"\n" + body.replace(b"\n", delimiter + b"x\n"),
            f"two columns {first!r}",
        ),
    }


def json_lines(good: bytes) -> dict[str, tuple[bytes, str]]:
    """Spoil a file of JSON lines."""
    line = f"line {1 + len(good.splitlines())}: no JSON object"
    return {
        "nothing": (b"", "is empty"),
        "a list": (good + b"[1, 2]\n", line),
        "a number": (good + b"3\n", line),
        "a cut line": (good + b'{"a": "a te', line),
        "deep": (good + b"[" * 10**5, line),
        "deep objects": (good + b'{"a": ' * 10**5, line),
        "NaN": (good + b'{"a": NaN}\n', line),
        "half a character": (good + b'{"a": "\\ud800"}\n', line),
        "no UTF-8": (good + b"\xff\xfe\n", line),
        "bytes": (bytes(range(256)) * 9, "line 1: no JSON object"),
    }


def parquet_files(good: bytes) -> dict[str, tuple[bytes, str]]:
    """Spoil a Parquet file."""
    said = "damaged or no Parquet file"
    return {
        "nothing": (b"", "is empty"),
        "cut": (good[: len(good) // 2], said),
        "no Parquet": (b"PAR1 and nothing else", said),
        "flipped": (good[:-8] + b"\xff" * 4 + good[-4:], said),
    }


def files(task: Task) -> Iterator[tuple[str, bytes, str]]:
    """Broken files: their names, their bytes, and what is said."""
    damages = {
        ".csv": delimited(written(task.rows, ".csv"), b","),
        ".tsv": delimited(written(task.rows, ".tsv"), b"\t"),
        ".jsonl": json_lines(written(task.rows, ".jsonl")),
        ".parquet": parquet_files(written(task.rows, ".parquet")),
    }
    for suffix, damaged in damages.items():
        for name, (content, said) in damaged.items():
            yield f"{name}{suffix}", content, said
    for number, (column, value, said) in enumerate(task.values):
        rows = [
            {**row, column: value} if place == BROKEN else row
            for place, row in enumerate(task.rows)
        ]
        for suffix in (".csv", ".tsv", ".jsonl") if isinstance(value, str) else (".jsonl",):
            yield f"{number} {column}{suffix}", written(rows, suffix), said
    for name, (table, said) in task.tables.items():
        for suffix in damages:
            yield f"{name}{suffix}", written(table, suffix), said


def refused(recurrent: Command, task: str, data: Path, *options: str) -> Outcome:
    """What is said about data; no run may be there after it."""
    run = data.parent / "run"
    outcome = recurrent("train", task, f"--data={data}", f"--run={run}", *options)
    assert not run.exists(), data
    return outcome


@pytest.mark.parametrize("name", TASKS)
def test_a_broken_file_is_one_line_and_leaves_nothing(
    recurrent: Command, tmp_path: Path, name: str
) -> None:
    task = TASKS[name]
    broken = {file: (content, said) for file, content, said in files(task)}
    assert len(broken) >= 50
    failed = {}
    for file, (content, said) in broken.items():
        (tmp_path / file).write_bytes(content)
        outcome = refused(recurrent, name, tmp_path / file, *task.options)
        one_line = outcome.status == 1 and outcome.err.count("\n") == 1 and len(outcome.err) < 1100
        if not (one_line and file in outcome.err and said in outcome.err):
            failed[file] = outcome.err[:300]
    assert failed == {}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--label=labl", "Column 'labl' is not in tickets.csv; its columns are id, body, team."),
        ("--text=txt", "Column 'txt' is not in tickets.csv"),
        ("--group=person", "Column 'person' is not in tickets.csv"),
        ("--split=part", "Column 'part' is not in tickets.csv"),
        ("--split=team", "row 2: team is"),
        ("--test=none.csv", "none.csv"),
        ("--label=id", "once"),
    ],
)
def test_a_wrong_column_is_named(
    recurrent: Command, tmp_path: Path, option: str, said: str
) -> None:
    data = write(tmp_path / "tickets.csv", ROWS)
    outcome = refused(recurrent, "classify", data, option)
    assert outcome.status == 1
    assert outcome.err.count("\n") == 1 and said in outcome.err


def test_rows_that_are_left_out_are_counted(recurrent: Command, tmp_path: Path) -> None:
    data = tmp_path / "tickets.csv"
    data.write_bytes(written(TICKETS, ".csv") + b"t-1,a text\nt-2,,billing\nt-3,more text,\n")
    outcome = recurrent("inspect", data)
    assert outcome.status == 0
    assert "Rows left out: 1. tickets.csv, row 62: 2 values for 3 columns" in outcome.err
