"""Cells side by side: each trained alike on one task, in one table and one picture."""

import itertools
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from exports.directions import Better, Directions, direction
from pipeline import config as configs
from pipeline import files, plots, tables, tasks, train
from pipeline.config import Config
from pipeline.errors import Diverged, PipelineError
from pipeline.plots import Panel
from pipeline.run import Run
from pipeline.tables import Sheet

AnyRun = Run[Any]


@dataclass(frozen=True)
class Row:
    """What became of a cell, or of a baseline, which has neither parameters nor epochs.

    Attributes:
        figures: for each score on the test split, its value for each seed.
        epochs: for each seed, the figures of each epoch.
        diverged: how many seeds came to no end; they have no figures.
    """

    name: str
    parameters: int | None
    seconds: float
    figures: dict[str, list[float]]
    epochs: list[list[dict[str, Any]]]
    diverged: int = 0


def default_path(config: Config) -> Path:
    """Name the directory for comparisons with the settings in `config`."""
    return Path("runs") / f"compare-{config.task}-{configs.digest(configs.to_json(config))}"


def compare(path: Path, config: Config, cells: Sequence[str], seeds: int) -> Sheet:
    """Train each of `cells` with the settings in `config`, and measure it on the test split.

    Each training is a run in `path`, one for each of `seeds` seeds from that of `config` on. What
    is done there already is kept. Baselines are measured once, with the first run that ends.
    `comparison.json`, `.md`, `.svg` and `.png` are written there.

    Returns:
        One line for each cell and baseline.

    Raises:
        PipelineError: the config or a cell names what is not there, `path` holds runs with other
            settings or is in use by another process, the data cannot be had, or every training
            diverges.
    """
    wanted = [
        config.model_copy(update={"cell": cell, "seed": config.seed + offset})
        for offset in range(seeds)
        for cell in dict.fromkeys(cell.lower() for cell in cells)
    ]
    task = tasks.get(config.kind)
    for each in wanted:
        task.check(each)
    with files.owned(path):
        rows = _rows(path, wanted)
        sheet = table(rows, task.better)
        _write(path, rows, sheet, task.better)
    return sheet


def _rows(path: Path, wanted: Sequence[Config]) -> list[Row]:
    """Train and measure a run in `path` for each config that is `wanted`."""
    runs = [Run.create(path / f"{each.cell}-seed-{each.seed}", each) for each in wanted]
    troubles = [trouble for run in runs if (trouble := _finish(run, runs))]
    if len(troubles) == len(runs):
        raise PipelineError(f"no training came to its end: {troubles[0]}")
    return [*_cells(runs), *_baselines(runs)]


def trained(
    name: str,
    found: Sequence[Mapping[str, Any]],
    epochs: Sequence[list[dict[str, Any]]] = (),
    diverged: int = 0,
) -> Row:
    """Gather what `train.evaluate` found of one cell, for each seed that came to its end."""
    models = [each["model"] for each in found]
    return Row(
        name=name,
        parameters=found[0]["parameters"] if found else None,
        seconds=statistics.fmean(each["seconds"] for each in models) if found else 0.0,
        figures=_figures(models),
        epochs=list(epochs),
        diverged=diverged,
    )


def untrained(name: str, *found: Mapping[str, float]) -> Row:
    """Say what `train.evaluate` found of a baseline, in one run or several."""
    seconds = statistics.fmean(each["seconds"] for each in found)
    return Row(name, None, seconds, _figures(found), [])


def table(rows: Sequence[Row], better: Directions) -> Sheet:
    """Lay out means, with the extremes of several seeds; the best mean of each score stands out."""
    scores = list(dict.fromkeys(score for row in rows for score in row.figures))
    best = set()
    for column, score in enumerate(scores, start=2):
        if (way := direction(better, score)) is None:
            continue
        means = {
            place: statistics.fmean(row.figures[score])
            for place, row in enumerate(rows)
            if score in row.figures
        }
        first = max if way == "higher" else min
        best.add((first(means, key=means.__getitem__), column))
    columns = ("", "parameters", *tables.heads(scores), "seconds")
    return Sheet(columns, [_line(row, scores) for row in rows], frozenset(best))


def _finish(run: AnyRun, runs: Sequence[AnyRun]) -> str | None:
    """Train and measure `run`, one of `runs`; return what went wrong if its training diverges."""
    title = run.path.name
    try:
        for _ in train.epochs(run, title):
            pass
    except Diverged as error:
        return f"{title}: {error}"
    if not run.results:
        measured = any(each.results.get("baselines") for each in runs)
        train.evaluate(run, {} if measured else run.task.baselines(run))
    return None


def _cells(runs: Sequence[AnyRun]) -> Iterator[Row]:
    """Gather the runs of each cell."""
    for cell in dict.fromkeys(run.config.cell for run in runs):
        of_cell = [run for run in runs if run.config.cell == cell]
        found = [run.results for run in of_cell if run.results]
        epochs = [run.metrics for run in of_cell]
        yield trained(cell, found, epochs, diverged=len(of_cell) - len(found))


def _baselines(runs: Sequence[AnyRun]) -> Iterator[Row]:
    measured = (run.results.get("baselines") for run in runs)
    for name, found in (next(filter(None, measured), None) or {}).items():
        yield untrained(name, found)


def _figures(found: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    scores = [name for each in found[:1] for name in each if name != "seconds"]
    return {score: [each[score] for each in found] for score in scores}


def _line(row: Row, scores: Sequence[str]) -> list[str]:
    return [
        row.name,
        "" if row.parameters is None else f"{row.parameters:,}",
        *(_shown(row, score) for score in scores),
        f"{row.seconds:.0f}" if row.figures else "",
    ]


def _shown(row: Row, score: str) -> str:
    values = row.figures.get(score)
    if not values:
        return "diverged" if row.diverged else ""
    shown = f"{statistics.fmean(values):.4f}"
    if len(values) > 1:
        shown += f" ({min(values):.4f} to {max(values):.4f})"
    lost = f", {row.diverged} of {len(values) + row.diverged} diverged" if row.diverged else ""
    return shown + lost


def _write(path: Path, rows: Sequence[Row], sheet: Sheet, better: Directions) -> None:
    found = {"better": better, "rows": [asdict(row) for row in rows]}
    files.write(path / "comparison.json", json.dumps(found, indent=2) + "\n")
    files.write(path / "comparison.md", sheet.markdown())
    plots.draw(_curves(rows), _finals(rows, better), path / "comparison")


def _curves(rows: Sequence[Row]) -> list[Panel]:
    """Make a panel for each figure on the validation split."""
    lines = [line for row in rows for epochs in row.epochs for line in epochs]
    names = [name for name in dict.fromkeys(itertools.chain(*lines)) if "validation_" in name]
    return [
        Panel(
            name.replace("_", " "),
            {
                row.name: [[line[name] for line in epochs] for epochs in row.epochs if epochs]
                for row in rows
                if any(row.epochs)
            },
        )
        for name in names
    ]


def _finals(rows: Sequence[Row], better: Directions) -> list[Panel]:
    scores = dict.fromkeys(score for row in rows for score in row.figures)
    return [
        Panel(
            f"test {score.replace('_', ' ')}{_told(direction(better, score))}",
            {row.name: row.figures[score] for row in rows if score in row.figures},
        )
        for score in scores
    ]


def _told(way: Better | None) -> str:
    return f", {way} is better" if way else ""
