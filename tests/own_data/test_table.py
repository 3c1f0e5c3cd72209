"""Every task learns from every source that the documentation says it does."""

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline import config, recipes
from pipeline.run import Run
from tests.own_data import drawn, loads, sentences, sequences
from tests.own_data.tickets import tickets
from tests.pipeline.talks import told

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"
SOURCES = ("CSV, TSV", "JSON lines", "Parquet", "folder", "CoNLL", "text", "TFDS")

Columns = Mapping[str, Sequence[Any]]
Settings = dict[str, Any]


def table(path: Path, columns: Columns) -> str:
    """Write columns in the format that the name of the file asks for."""
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    elif path.suffix == ".parquet":
        parquet.write_table(pa.table(dict(columns)), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, list(columns), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return str(path)


def of_tickets() -> Columns:
    rows = tickets(80)
    return {name: [getattr(row, name) for row in rows] for name in ("body", "team")}


def of_stars() -> Columns:
    bodies = of_tickets()["body"]
    return {"body": bodies, "stars": [len(body) / 7 for body in bodies]}


def of_sentences() -> Columns:
    made = sentences.sentences(80)
    return {"tokens": [each.tokens for each in made], "tags": [each.tags for each in made]}


def of_pairs() -> Columns:
    made = told(80, seed=0)
    return {name: [example[name] for example in made] for name in ("pt", "en")}


def of_images(folder: Path) -> Columns:
    files, texts = zip(*drawn.images(folder, 80), strict=True)
    return {"file": files, "text": texts}


def of_loads() -> Columns:
    rows = loads.loads(24 * 20)
    return {name: [row[name] for row in rows] for name in ("stamp", "mw")}


def pictured(name: str) -> Callable[[Path], Settings]:
    """Write a table beside the images that it names."""
    return lambda folder: {"data": table(folder / name, of_images(folder)), "size": 16}


LOADS: Settings = {"time": "stamp", "target": "mw", "window": 24, "horizon": 4}


def in_tables(columns: Callable[[], Columns], **settings: Any) -> dict[str, Any]:
    """Write the same rows as tables of each kind."""

    def written(name: str) -> Callable[[Path], Settings]:
        return lambda folder: {"data": table(folder / name, columns()), **settings}

    return {
        "CSV, TSV": [written("rows.csv"), written("rows.tsv")],
        "JSON lines": [written("rows.jsonl")],
        "Parquet": [written("rows.parquet")],
    }


def nights(folder: Path) -> Settings:
    data = sequences.gestures(folder / "nights.csv", 40)
    return {"data": str(data), "features": "ax,ay", "sequence_id": "recording", "label": "person"}


def novel(folder: Path) -> Settings:
    (folder / "novel.txt").write_text("\n".join(of_tickets()["body"]), encoding="utf-8")
    return {"data": str(folder / "novel.txt")}


# Settings with which each task learns from each source.
MADE: dict[str, dict[str, list[Callable[[Path], Settings]]]] = {
    "classify": {
        **in_tables(of_tickets),
        "folder": [lambda folder: {"data": str(sequences.sounds(folder / "sounds", 20))}],
        "TFDS": [lambda _: {"data": "tfds:movie_reviews/rotten_tomatoes"}],
    },
    "regress": {
        **in_tables(of_stars),
        "TFDS": [lambda _: {"data": "tfds:spoken_digits", "target": "label"}],
    },
    "tag": {
        **in_tables(of_sentences),
        "CSV, TSV": [nights],
        "CoNLL": [
            lambda folder: {
                "data": str(sentences.write(folder / "ner.conll", sentences.sentences(80)))
            }
        ],
        "TFDS": [lambda _: {"data": "tfds:turkish_treebank", "text": "tokens", "label": "tags"}],
    },
    "language": {
        **in_tables(of_tickets),
        "text": [novel],
        "TFDS": [lambda _: {"data": "tfds:shakespeare"}],
    },
    "transduce": {
        **in_tables(of_pairs),
        "TFDS": [lambda _: {"data": "tfds:cmudict", "source": "word", "target": "pronunciations"}],
    },
    "caption": {
        "CSV, TSV": [pictured("rows.csv"), pictured("rows.tsv")],
        "JSON lines": [pictured("rows.jsonl")],
        "Parquet": [pictured("rows.parquet")],
        "TFDS": [lambda _: {"data": "tfds:spelled_digits", "size": 28}],
    },
    "forecast": {
        **in_tables(of_loads, **LOADS),
        "TFDS": [lambda _: {"data": "tfds:sea_temperature", "window": 24, "horizon": 4}],
    },
}


def claimed() -> dict[str, set[str]]:
    """Which sources the page says each task learns from."""
    head, _, *rows = re.findall(r"^\|.*\|$", PAGE.read_text().split("## Sources")[1], re.M)
    names = [cell.strip() for cell in head.strip("|").split("|")[1:]]
    assert names == list(SOURCES)
    found = {}
    for row in rows[: len(MADE)]:
        task, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        found[task.strip("`")] = {name for name, mark in zip(names, cells, strict=True) if mark}
    return found


def test_the_page_claims_what_is_tested() -> None:
    assert claimed() == {task: set(made) for task, made in MADE.items()}


@pytest.mark.parametrize(
    ("task", "source", "number"),
    [
        (task, source, number)
        for task, made in MADE.items()
        for source, ways in made.items()
        for number in range(len(ways))
    ],
)
def test_a_task_learns_from_a_source(task: str, source: str, number: int, tmp_path: Path) -> None:
    """Columns that are not named are inferred; each split has examples; a model is made of them."""
    settings = {**MADE[task][source][number](tmp_path), "units": 2, "limit": 64}
    run = Run.create(tmp_path / "run", config.merge(recipes.get(task).presets[task](), settings))
    data = run.task.data(run)
    assert all(len(split) for split in (data.train, data.validation, data.test))
    model = run.task.model(run.config, data)
    assert model.count_params() > 0
    assert run.columns is not None
