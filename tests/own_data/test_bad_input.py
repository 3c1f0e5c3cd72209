"""Files that cannot be learnt from: one line each, and no run directory."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.own_data.tickets import Ticket, tickets, write
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]

ROWS = tickets(60)


def csv(*changed: str, rows: list[Ticket] = ROWS) -> bytes:
    """A good file, with some lines added or a header of its own."""
    lines = ["id,body,team", *(",".join(row) for row in rows), *changed]
    return "".join(f"{line}\n" for line in lines).encode()


def jsonl(*changed: str) -> bytes:
    lines = [*(json.dumps(row._asdict()) for row in ROWS), *changed]
    return "".join(f"{line}\n" for line in lines).encode()


def parquet(folder: Path) -> bytes:
    return write(folder / "good.parquet", ROWS).read_bytes()


ONE = [row._replace(team="billing") for row in ROWS]
RARE = [*ROWS, ROWS[0]._replace(body="new text", team="legal")]

CSV = {
    "nothing": (b"", "is empty"),
    "blanks": (b"  \n\n \n", "is empty"),
    "a header alone": (b"id,body,team\n", "has no rows"),
    "a missing value": (csv("t-1,a text here,"), "row 62: team is empty"),
    "a missing text": (csv("t-1,,billing"), "row 62: body is empty"),
    "a blank text": (csv("t-1,   ,billing"), "row 62: body is empty"),
    "too few values": (csv("t-1,a text"), "row 62: 2 values for 3 columns"),
    "too many values": (csv("t-1,a,b,c"), "row 62: 4 values for 3 columns"),
    "latin-1": (csv("t-1,caf\xe9,billing").decode().encode("latin-1"), "line 62: byte 0xe9"),
    "utf-16": (csv().decode().encode("utf-16"), "is not UTF-8"),
    "bytes": (bytes(range(256)) * 9, "is not UTF-8"),
    "an open quote": (csv('t-1,"never closed,billing'), "row"),
    "a column twice": (b"body,team,team\n" + b"a b,x,y\n" * 9, "two columns 'team'"),
    "one class": (csv(rows=ONE), "one label, 'billing'"),
    "a class once": (csv(rows=RARE), "'legal' once"),
    "no label": (
        b"body\n" + b"".join(b"a text %d\n" % n for n in range(40)),
        "no column of labels",
    ),
    "no text": (b"team,size\n" + b"a,1\nb,2\n" * 20, "no column of texts"),
    "two labels": (
        b"body,team,city\n" + b"".join(b"a text %d,%d,%d\n" % (n, n % 2, n % 3) for n in range(60)),
        "may be the label: team, city",
    ),
    "few rows": (csv(rows=ROWS[:4]), "no example for the"),
    "one text": (csv(rows=[row._replace(body="the same") for row in ROWS]), "no column of texts"),
}
JSONL = {
    "nothing": (b"", "is empty"),
    "no object": (jsonl("[1, 2]"), "line 61"),
    "a cut line": (jsonl('{"body": "a te'), "line 61"),
    "deep": (jsonl("[" * 100_000), "line 61"),
    "a number": (jsonl("3"), "line 61"),
    "bytes": (jsonl() + b"\xff\xfe\n", "line 61"),
    "a missing key": (jsonl('{"body": "a text"}'), "team is empty"),
    "a list for a text": (jsonl('{"body": ["a"], "team": "billing"}'), "body is list"),
    "an object for a label": (jsonl('{"body": "a text", "team": {}}'), "not a label"),
    "a null": (jsonl('{"body": null, "team": "billing"}'), "body is empty"),
    "NaN": (jsonl('{"body": NaN, "team": "billing"}'), "line 61"),
}


def files(folder: Path) -> Iterator[tuple[str, bytes, str]]:
    """Broken files: their names, their bytes, and what is said."""
    for name, (content, said) in CSV.items():
        yield f"{name}.csv", content, said
        if name not in ("bytes", "utf-16"):
            yield f"{name}.tsv", content.replace(b",", b"\t"), said
    for name, (content, said) in JSONL.items():
        yield f"{name}.jsonl", content, said
    good = parquet(folder)
    yield "cut.parquet", good[: len(good) // 2], "damaged or no Parquet file"
    yield "no.parquet", b"PAR1 and nothing else", "damaged or no Parquet file"
    yield "flipped.parquet", good[:-8] + b"\xff" * 4 + good[-4:], "damaged or no Parquet file"


def refused(recurrent: Command, data: Path, *options: str) -> Outcome:
    """What is said about data; no run may be there after it."""
    run = data.parent / "run"
    outcome = recurrent("train", "classify", f"--data={data}", f"--run={run}", *options)
    assert not run.exists(), data
    return outcome


def test_a_broken_file_is_one_line_and_leaves_nothing(recurrent: Command, tmp_path: Path) -> None:
    broken = list(files(tmp_path))
    assert len(broken) >= 50
    failed = {}
    for name, content, said in broken:
        (tmp_path / name).write_bytes(content)
        outcome = refused(recurrent, tmp_path / name)
        one_line = outcome.status == 1 and outcome.err.count("\n") == 1
        if not (one_line and name in outcome.err and said in outcome.err):
            failed[name] = outcome.err
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
    outcome = refused(recurrent, data, option)
    assert outcome.status == 1
    assert outcome.err.count("\n") == 1 and said in outcome.err


def test_rows_that_are_left_out_are_counted(recurrent: Command, tmp_path: Path) -> None:
    data = tmp_path / "tickets.csv"
    data.write_bytes(csv("t-1,a text", "t-2,,billing", "t-3,more text,"))
    outcome = recurrent("inspect", data)
    assert outcome.status == 0
    assert "Rows left out: 1. tickets.csv, row 62: 2 values for 3 columns" in outcome.err
