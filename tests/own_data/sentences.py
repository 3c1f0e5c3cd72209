"""Tagged sentences that a template writes, and nights whose stages follow from a number."""

import csv
import json
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np

NAMES = ["John", "Mary", "Anna", "Peter", "Ravi", "Chen"]
FAMILIES = ["Smith", "Jones", "Meyer"]
STAGES = {"wake": 1.0, "deep": 0.0, "rem": -1.0}


class Sentence(NamedTuple):
    """Words, and a tag for each."""

    tokens: list[str]
    tags: list[str]


def sentences(count: int, seed: int = 0) -> list[Sentence]:
    """Write `count` sentences. A place ends in "ville", whatever stands before that."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        words = [(draw.choice(NAMES), "B-PER")]
        if draw.random() < 0.5:
            words.append((draw.choice(FAMILIES), "I-PER"))
        words += [(draw.choice(["lives", "works"]), "O"), ("in", "O")]
        words.append(("".join(draw.choices("abcdefgh", k=4)).title() + "ville", "B-LOC"))
        if draw.random() < 0.5:
            words.append((draw.choice(["again", "now"]), "O"))
        made.append(Sentence(*map(list, zip(*words, strict=True))))
    return made


def write(path: Path, made: list[Sentence]) -> Path:
    """Write sentences in the format that the name of the file asks for."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(each._asdict()) + "\n" for each in made))
    elif path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist([each._asdict() for each in made]), path)
    elif path.suffix == ".csv":
        rows = [
            (number, *pair) for number, each in enumerate(made) for pair in zip(*each, strict=True)
        ]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("sentence", "word", "tag"), *rows])
    else:
        blocks = ("".join(map("{}\t{}\n".format, *each)) for each in made)
        path.write_text("\n".join(blocks), encoding="utf-8")
    return path


def nights(path: Path, count: int, seed: int = 0) -> Path:
    """Write `count` nights of 20 to 39 steps, of which the number `eeg` tells the stage."""
    random = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["night", "time", "eeg", "eog", "stage"])
        for night in range(count):
            stage = "wake"
            for time in range(random.integers(20, 40)):
                if random.random() < 0.2:
                    stage = str(random.choice([*STAGES]))
                eeg, eog = STAGES[stage] + random.normal(scale=0.2), random.normal()
                writer.writerow([f"n{night}", time, f"{eeg:.3f}", f"{eog:.3f}", stage])
    return path
