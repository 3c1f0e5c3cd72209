"""From a run to an artifact directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import exports
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError
from pipeline.run import Run


def export(
    run: Run[Any], directory: Path | None = None, formats: Sequence[str] = ("saved_model", "onnx")
) -> exports.Artifact:
    """Write the best model of `run` to `directory`, or else its own `exports`, and prove parity.

    Raises:
        PipelineError: the run has no model, the directory is there already or cannot be written,
            or a format computes something else than Keras.
    """
    model, artifact = run.model(), run.task.artifact(run)
    try:
        with spinner("Exporting, and comparing the formats"):
            return exports.export(
                model,
                directory or run.exports,
                formats=formats,
                card=_card(run),
                config=run.config.model_dump(),
                **artifact,
            )
    except exports.ExportError as error:
        raise PipelineError(str(error)) from error


def verify(directory: Path) -> list[exports.Parity]:
    """Check the artifact in `directory` anew.

    Raises:
        PipelineError: it is damaged, or its formats do not agree.
    """
    try:
        with spinner("Comparing the formats"):
            return exports.verify(directory)
    except exports.ExportError as error:
        raise PipelineError(str(error)) from error


def _card(run: Run[Any]) -> dict[str, str]:
    """What the model card says beside what the exporter measures."""
    card = {"task": run.task.summary, "data set": run.config.dataset}
    if run.results:
        for name, figures in {"test": run.results["model"], **run.results["baselines"]}.items():
            scores = (f"{key} {value:.4f}" for key, value in figures.items() if key != "seconds")
            card[name] = ", ".join(scores)
    return card
