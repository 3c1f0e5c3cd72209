"""`recurrent predict RUN --input FILE --output FILE`: a file in, a file with predictions out."""

import csv
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.data import sources
from pipeline.errors import PipelineError
from pipeline.run import Run
from pipeline.tasks.base import DataTask


def score(run: Run[Any], data: str, path: Path) -> None:
    """Write the rows of `data` to the CSV file `path`, with what the model of `run` predicts.

    A row that is left out has empty predictions.

    Raises:
        PipelineError: the task of `run` reads no tables, or a row cannot be read.
    """
    task = run.task
    if not isinstance(task, DataTask):
        raise PipelineError(f"{run.config.task} takes no files yet: give each SUBJECT by itself.")
    table = sources.read(data, run.config.on_error)
    predicted = task.predictions(run, table)
    rows = {place: row for row, place in enumerate(predicted.places)}
    columns = dict(table.columns)
    for name, values in predicted.columns.items():
        columns[name] = [values[rows[place]] if place in rows else "" for place in table.places]
    with files.replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
