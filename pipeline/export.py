"""From a run to an artifact directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

import exports
from exports import signature, tracing
from exports.parity.cases import Case
from exports.parity.compare import compare
from exports.precision import Evaluate
from pipeline import config as configs
from pipeline import paths, recipes, report
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError
from pipeline.messages import say
from pipeline.run import Run
from pipeline.tasks.base import Metrics


def export(
    run: Run[Any],
    directory: Path | None = None,
    formats: Sequence[str] = ("saved_model", "onnx"),
    small: Sequence[str] = (),
    max_drop: float = 0.01,
    streaming: bool | None = None,
) -> exports.Artifact:
    """Write the best model of `run` to `directory`, or else its own `exports`, and prove parity.

    The forms in `small` are tested on the test split beside the ONNX file that they are made from.

    The report of the run is written anew, too; if it cannot be, that is said and no more.

    Raises:
        PipelineError: the run has no model or is in use by another process, the directory is there
            already or cannot be written, a format computes something else than Keras, or a small
            form lowers a score by more than `max_drop`.
    """
    with run.owned():
        exported = _exported(run, directory or run.exports, formats, small, max_drop, streaming)
        try:
            report.write(run)
        except PipelineError as error:
            say(f"{exported.directory} is complete, and the report is not: {error}")
    return exported


def _exported(
    run: Run[Any],
    directory: Path,
    formats: Sequence[str],
    small: Sequence[str],
    max_drop: float,
    streaming: bool | None,
) -> exports.Artifact:
    model, artifact = run.model(), dict(run.task.artifact(run))
    card = {**_card(run), **artifact.pop("card", {})}
    try:
        with spinner("Exporting, and comparing the formats"):
            return exports.export(
                model,
                directory,
                formats=formats,
                streaming=streaming,
                small=_small(run, model, small, max_drop) if small else None,
                card=card,
                config=run.config.model_dump(),
                **artifact,
            )
    except exports.ExportError as error:
        raise PipelineError(str(error)) from error


def export_file(
    path: Path,
    directory: Path | None = None,
    formats: Sequence[str] = ("saved_model", "onnx"),
    streaming: bool | None = None,
) -> exports.Artifact:
    """Write the model in a `.keras` file to `directory`, or else beside the file, and prove parity.

    Raises:
        PipelineError: Keras cannot load the file, or what `export` raises.
    """
    try:
        with spinner("Exporting, and comparing the formats"):
            return exports.export(
                exports.read_keras(path),
                directory or paths.beside(path, "exports"),
                formats=formats,
                streaming=streaming,
                card={"made from": path.name},
            )
    except exports.ExportError as error:
        raise PipelineError(str(error)) from error


def verify(path: Path) -> dict[str, exports.Parity]:
    """Check the exported model of a run or in an artifact directory anew, wherever it is now.

    The exports beside a Keras file must also give what the model in the file gives.

    Raises:
        PipelineError: there is none, it is damaged, or its formats do not agree.
    """
    directory = paths.directory(path)
    try:
        with spinner("Comparing the formats"):
            proofs = exports.verify(directory)
            if path.is_file():
                proofs["given"] = _with_file(path, exports.load(directory))
    except exports.ExportError as error:
        raise PipelineError(str(error)) from error
    return proofs


def _with_file(path: Path, exported: exports.Artifact) -> exports.Parity:
    """Compare the recorded answers with those of the model in a Keras file."""
    model, case = exports.read_keras(path), Case("recorded examples", exported.request)
    with tracing.in_float32(model):
        run = tracing.run(model, exported.signature)
        try:
            return compare({path.name: run, "its exports": lambda _: exported.response}, [case])
        except exports.ParityError as error:
            raise PipelineError(
                f"{exported.directory} was exported from another model than {path} is now: {error}"
            ) from error


def _small(
    run: Run[Any], model: keras.Model, forms: Sequence[str], max_drop: float
) -> exports.Precision:
    return exports.Precision(forms, _evaluate(run, model), max_drop, run.task.better)


def _evaluate(run: Run[Any], model: keras.Model) -> Evaluate:
    """Return what scores a format on the test split."""
    test = run.task.data(run).test
    names = [tensor.name for tensor in model.inputs]

    def evaluate(compute: signature.Run) -> Metrics:
        def first_output(inputs: Any) -> Any:
            named = inputs if isinstance(inputs, dict) else dict(zip(names, [inputs], strict=True))
            given = {name: values.numpy() for name, values in named.items()}
            return next(iter(compute(given).values()))

        return run.task.score(run.task.predictions(first_output, test), test)

    return evaluate


def _card(run: Run[Any]) -> dict[str, str]:
    """What the model card says beside what the exporter measures."""
    summary = recipes.get(run.config.recipe_name).summary
    card = {"title": _title(run), "task": summary, "data set": configs.data(run.config)}
    if run.results:
        for name, figures in {"test": run.results["model"], **run.results["baselines"]}.items():
            scores = (f"{key} {value:.4f}" for key, value in figures.items() if key != "seconds")
            card[name] = ", ".join(scores)
    return card


def _title(run: Run[Any]) -> str:
    """Say what is learnt: what the recipe says, or the columns of somebody's own data."""
    summary = recipes.get(run.config.recipe_name).summary
    columns = run.columns
    if run.config.recipe_name != run.config.task or not columns or not columns["targets"]:
        return summary
    targets, data = ", ".join(columns["targets"]), Path(configs.data(run.config)).name
    source = "" if columns["kind"] == "series" else f" from {columns['input']}"
    return f"{targets}{source}, {data}"
