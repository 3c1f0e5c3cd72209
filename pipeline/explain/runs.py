"""`recurrent explain`: trained runs, and one subject for all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.explain import measure, page
from pipeline.explain.measure import Explanation
from pipeline.run import Run


def explain(runs: Sequence[Run[Any]], subject: str, path: Path, folder: Path | None = None) -> None:
    """Write the page `path` about what the models of `runs` make of `subject`.

    Args:
        runs: of one task.
        subject: as the user typed it.
        path: of the page.
        folder: where to put the figures for papers, too, if wanted.

    Raises:
        PipelineError: the runs are of several tasks, of one whose answers have no such page, or
            without a model; `subject` cannot be understood; or a file cannot be written.
    """
    first = runs[0].config.task
    for run in runs:
        if run.config.task != first:
            raise PipelineError(
                f"{run.path} is a run of {run.config.task}, and {runs[0].path} one of {first}: "
                "give runs of one task"
            )
    page.write(first, [_explained(run, subject) for run in runs], path, folder)


def _explained(run: Run[Any], subject: str) -> Explanation:
    model = run.model()
    reading = run.task.reading(run, model, subject)
    if reading is None:
        raise PipelineError(f"what {run.path} answers cannot be explained step by step")
    name = f"{run.path.resolve().name} ({run.config.cell}, {run.config.units} units)"
    return measure.explain(name, model, run.config, reading)
