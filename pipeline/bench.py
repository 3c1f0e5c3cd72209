"""What a call of a model takes: in Keras, in each exported form, as Keras exports it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import exports
from exports import formats, keras_export, latency, tracing
from pipeline import batches, paths
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.run import Run

SECONDS = 30.0  # for each batch size, at most
_BY_KERAS = "keras.Model.export"

Rounds = Mapping[int, Iterable[Any]]
Measured = dict[str, Any]


def of_run(run: Run[Any], rounds: Rounds) -> Measured:
    """Measure the model of `run` on rows of the test split that are of middling length.

    Args:
        run: trained and exported.
        rounds: for each batch size, how often the sides take turns.

    Raises:
        PipelineError: the run has no model or no exports, or its data cannot be had.
    """
    exported = paths.load(run.path)
    given = _middling(run.task.data(run).test, max(rounds))
    return _measured(run.path, exported, rounds, given, run.model())


def of_artifact(path: Path, rounds: Rounds) -> Measured:
    """Measure the formats of the artifact in `path` on its recorded examples.

    Raises:
        PipelineError: it is damaged.
    """
    exported = paths.load(path)
    return _measured(path, exported, rounds, exported.request)


def of_keras_file(path: Path, directory: Path, rounds: Rounds) -> Measured:
    """Measure the model in a Keras file, and its exports, on their recorded examples.

    Args:
        path: the file.
        directory: the artifact directory that was made from it.
        rounds: for each batch size, how often the sides take turns.

    Raises:
        PipelineError: Keras cannot load the file.
    """
    exported = paths.load(directory)
    try:
        model = exports.read_keras(path)
    except exports.ExportError as error:
        raise PipelineError(str(error)) from error
    return _measured(path, exported, rounds, exported.request, model)


def _measured(
    path: Path,
    exported: exports.Artifact,
    rounds: Rounds,
    given: Any,
    model: keras.Model | None = None,
) -> Measured:
    """Measure the formats of an artifact, and the model that it was made from, in turns.

    Returns:
        What `exports.latency.measure` does, the path, and why a side is left out.
    """
    try:
        inputs = exported.signature.name_inputs(given)
        sides = {} if model is None else {"keras": tracing.run(model, exported.signature)}
        sides |= {**formats.runs(exported), **formats.small(exported)}
    except exports.ExportError as error:
        raise PipelineError(str(error)) from error
    left_out = {}
    if model is not None:
        sides["keras"](inputs)
        try:
            by_keras = keras_export.read(model)
            by_keras(inputs)
            sides[_BY_KERAS] = by_keras
        except exports.ExportError as error:
            left_out[_BY_KERAS] = " ".join(str(error).split())
    if exported.signature.batch:
        rounds = {exported.signature.batch: next(iter(rounds.values()))}
    measured = latency.measure(sides, inputs, rounds, seconds=SECONDS)
    return {"run": str(path), **measured, "left_out": left_out}


def _middling(examples: Examples, rows: int) -> Any:
    """Return `rows` inputs of `examples` that are longer than about half of the others."""
    middle = np.argsort(examples.lengths, kind="stable")[max(0, (len(examples) - rows) // 2) :]
    ((inputs, _),) = batches.dataset(examples, [middle[:rows]])
    return keras.tree.map_structure(np.asarray, inputs)
