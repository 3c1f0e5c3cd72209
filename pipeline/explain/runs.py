"""`recurrent explain`: trained runs, and one input for all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.explain import measure, page
from pipeline.explain.measure import Explanation
from pipeline.explain.spec import ExplainSpec
from pipeline.run import Run


def explain(runs: Sequence[Run[Any]], input: str, path: Path, folder: Path | None = None) -> None:
    """Write the page `path` about what the models of `runs` make of `input`.

    Args:
        runs: of one task.
        input: as the user typed it.
        path: of the page.
        folder: where to put the figures for papers, too, if wanted.

    Raises:
        PipelineError: the runs are of several tasks, or without a model; `input` cannot be
            understood, or is not the same to all of them; or a file cannot be written.
    """
    first = runs[0].config.task
    for run in runs:
        if run.config.task != first:
            raise PipelineError(
                f"{run.path} is a run of {run.config.task}, and {runs[0].path} one of {first}: "
                "give runs of one task"
            )
    specs = [run.task.explain_spec(run, run.model(), input) for run in runs]
    for run, spec in zip(runs, specs, strict=True):
        if spec.name != specs[0].name:
            raise PipelineError(
                f"{input!r} is something else to {run.path} than to {runs[0].path}: give a "
                "input that is the same to both"
            )
    page.write(first, list(map(_explained, runs, specs)), path, folder)


def _explained(run: Run[Any], spec: ExplainSpec) -> Explanation:
    name = f"{run.path.resolve().name} ({run.config.cell}, {run.config.units} units)"
    return measure.explain(name, run.config, spec)
