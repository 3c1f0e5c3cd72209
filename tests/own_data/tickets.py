"""Support tickets that a template writes: a text and the team that it is for."""

import csv
import json
import random
from pathlib import Path
from typing import NamedTuple

WORDS = {
    "billing": ["invoice", "refund", "charged", "payment", "price"],
    "hardware": ["screen", "broken", "keyboard", "battery", "cable"],
    "network": ["wifi", "slow", "offline", "router", "connection"],
}
_FILLER = ["please", "help", "my", "is", "again", "since", "monday", "the", "it", "was", "not"]


class Ticket(NamedTuple):
    """A row of the table."""

    id: str
    body: str
    team: str


def tickets(count: int, seed: int = 0) -> list[Ticket]:
    """Write `count` tickets. Each has two words of its team among others."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        team = draw.choice([*WORDS])
        words = draw.choices(_FILLER, k=6) + draw.sample(WORDS[team], 2)
        draw.shuffle(words)
        made.append(Ticket(f"t-{number:05d}", " ".join(words) + f" no {number}", team))
    return made


def write(path: Path, rows: list[Ticket]) -> Path:
    """Write rows in the format that the name of the file asks for."""
    columns = {name: [getattr(row, name) for row in rows] for name in Ticket._fields}
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row._asdict()) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table(columns), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerow(columns)
            writer.writerows(rows)
    return path
