"""Folds: a model for each of several parts of the data, tested on that part."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline import compare, files, train
from pipeline.compare import Row
from pipeline.config import Config, DataConfig
from pipeline.run import Run
from pipeline.tables import Sheet


def are_wanted(config: Config) -> bool:
    """Say whether `config` asks for several models."""
    return isinstance(config, DataConfig) and config.folds > 1 and config.fold is None


def measure(path: Path, config: DataConfig, **options: Any) -> list[Run[Any]]:
    """Train a model for each fold of `config`, and measure each beside its baselines.

    Each training is a run in `path`. What is done there already is kept. `folds.json` and
    `folds.md` are written there. `options` are those of `pipeline.train.train`.

    Raises:
        PipelineError: the config names what is not there, `path` holds runs with other settings or
            is in use by another process, or the data cannot be had.
        Diverged: a loss is no finite number any more.
    """
    numbers = range(1, 1 + config.folds)
    wanted = {f"fold-{each}": config.model_copy(update={"fold": each}) for each in numbers}
    Run(path, config).task.check(config)
    with files.owned(path):
        runs = [Run.create(path / name, each) for name, each in wanted.items()]
        for run in runs:
            for _ in train.epochs(run, run.path.name, **options):
                pass
            if not run.results:
                train.evaluate(run)
        files.write(path / "folds.md", table(runs).markdown())
        rows = list(map(asdict, _rows(runs)))
        files.write(path / "folds.json", json.dumps(rows, indent=2) + "\n")
    return runs


def table(runs: Sequence[Run[Any]]) -> Sheet:
    """Lay out the mean of each figure over the folds, and its extremes."""
    return compare.table(_rows(runs), runs[0].task.better)


def _rows(runs: Sequence[Run[Any]]) -> list[Row]:
    found = [run.results for run in runs]
    baselines = {
        name: [each["baselines"][name] for each in found] for name in found[0]["baselines"]
    }
    return [
        compare.trained(runs[0].config.cell, found, [run.metrics for run in runs]),
        *(compare.untrained(name, *figures) for name, figures in baselines.items()),
    ]
