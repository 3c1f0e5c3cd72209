"""`recurrent predict RUN --input FILE --output FILE`: a file in, a file with predictions out."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import files
from pipeline.data import sources
from pipeline.errors import PipelineError
from pipeline.run import Run
from pipeline.tasks.base import DataTask


def score(run: Run[Any], data: str, path: Path) -> None:
    """Write what the model of `run` predicts from `data` to the CSV file `path`.

    Raises:
        PipelineError: the task of `run` reads no tables, or a row cannot be read.
    """
    task = run.task
    if not isinstance(task, DataTask):
        raise PipelineError(f"{run.config.task} takes no files yet: give each INPUT by itself.")
    scored = task.scored(run, sources.read(data, run.config.on_error))
    columns = {name: values for name, values in scored.items() if _is_plain(values)}
    with files.replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _is_plain(values: Sequence[Any]) -> bool:
    """Say whether values can stand in a cell: not those of arrays and recordings."""
    return not any(isinstance(value, np.ndarray | tuple | list) for value in values)
