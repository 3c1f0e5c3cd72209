"""What a call of a run's model takes: in Keras, in each exported form, as Keras exports it."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import exports
from exports import formats, keras_export, latency, tracing
from pipeline import batches, exported
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.run import Run

SECONDS = 30.0  # for each batch size, at most


def bench(run: Run[Any], rounds: Mapping[int, Iterable[Any]]) -> dict[str, Any]:
    """Measure the model of `run` on rows of the test split that are of middling length.

    Args:
        run: trained and exported.
        rounds: for each batch size, how often the sides take turns.

    Returns:
        What `exports.latency.measure` does, the name of the run, and why a side is left out.

    Raises:
        PipelineError: the run has no model or no exports, or its data cannot be had.
    """
    if not run.exports.exists():
        raise PipelineError(f"{run.path} is not exported yet. Try: recurrent export {run.path}")
    model, left_out = run.model(), {}
    (name,) = (tensor.name for tensor in model.inputs)
    inputs = {name: _middling(run.task.data(run).test, max(rounds))}
    try:
        artifact = exported.load(run.exports)
        sides = {"keras": tracing.run(model, artifact.signature)}
        sides |= {**formats.runs(artifact), **formats.small(artifact)}
    except exports.ExportError as error:
        raise PipelineError(str(error)) from error
    sides["keras"](inputs)
    try:
        by_keras = keras_export.read(model)
        by_keras(inputs)
        sides["keras.Model.export"] = by_keras
    except exports.ExportError as error:
        left_out["keras.Model.export"] = " ".join(str(error).split())
    measured = latency.measure(sides, inputs, rounds, seconds=SECONDS)
    return {"run": str(run.path), **measured, "left_out": left_out}


def _middling(examples: Examples, rows: int) -> Any:
    """Return `rows` inputs of `examples` that are longer than about half of the others."""
    middle = np.argsort(examples.lengths, kind="stable")[max(0, (len(examples) - rows) // 2) :]
    ((inputs, _),) = batches.dataset(examples, [middle[:rows]])
    return inputs.numpy()
