"""`recurrent explain`: trained runs, and one subject for all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.explain import measure, page
from pipeline.explain.measure import Explanation
from pipeline.explain.reading import Reading
from pipeline.run import Run


def explain(runs: Sequence[Run[Any]], subject: str, path: Path, folder: Path | None = None) -> None:
    """Write the page `path` about what the models of `runs` make of `subject`.

    Args:
        runs: of one task.
        subject: as the user typed it.
        path: of the page.
        folder: where to put the figures for papers, too, if wanted.

    Raises:
        PipelineError: the runs are of several tasks, or without a model; `subject` cannot be
            understood, or is not the same to all of them; or a file cannot be written.
    """
    first = runs[0].config.task
    for run in runs:
        if run.config.task != first:
            raise PipelineError(
                f"{run.path} is a run of {run.config.task}, and {runs[0].path} one of {first}: "
                "give runs of one task"
            )
    readings = [run.task.reading(run, run.model(), subject) for run in runs]
    for run, reading in zip(runs, readings, strict=True):
        if reading.name != readings[0].name:
            raise PipelineError(
                f"{subject!r} is something else to {run.path} than to {runs[0].path}: give a "
                "subject that is the same to both"
            )
    page.write(first, list(map(_explained, runs, readings)), path, folder)


def _explained(run: Run[Any], reading: Reading) -> Explanation:
    name = f"{run.path.resolve().name} ({run.config.cell}, {run.config.units} units)"
    return measure.explain(name, run.config, reading)
