"""Export a model: write each endpoint in each format, prove that they agree, put them in place."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from exports import (
    answers,
    arguments,
    artifact,
    keras_file,
    latency,
    other_backends,
    precision,
    tracing,
    verifier,
)
from exports import (
    formats as known_formats,
)
from exports import (
    plan as planning,
)
from exports.answers import Answer, Forecast
from exports.artifact import Artifact, load
from exports.card import report
from exports.parity.compare import Parity
from exports.plan import Plan
from exports.precision import Precision
from exports.runtime import generation
from exports.schema import Writing
from exports.signature import Arrays, AudioFrontend
from exports.text import TextEncoder

DEFAULT_FORMATS = ("saved_model", "onnx")
_RECORDED = 8  # rows of the examples in an artifact


@tracing.in_full_precision()
@tracing.plain_errors()
def export(
    model: keras.Model,
    directory: str | os.PathLike[str],
    *,
    inputs: Any = None,
    lengths: Mapping[str, tuple[int, int]] | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    encoder: TextEncoder | None = None,
    labels: Sequence[str] | None = None,
    examples: Any = None,
    texts: Sequence[str] = (),
    streaming: bool | None = None,
    small: Precision | None = None,
    answer: Answer | None = None,
    forecast: Forecast | None = None,
    audio_frontend: AudioFrontend | None = None,
    writing: Writing | None = None,
    card: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Artifact:
    """Write `model` to a new directory in each of `formats`, proved to agree with Keras.

    With Keras on JAX or torch, a process with Keras on TensorFlow rebuilds the model and exports
    it, and the files are compared with the model here, too.

    Args:
        model: a Keras model with our recurrent layers or Keras's own; it may never have been
            called. What is stateful in it begins with zeros.
        directory: is created; nothing is left there if the export fails.
        inputs: what the model takes, a `keras.Input` or a structure of them, where Keras does not
            know: of a subclassed model, or a Sequential one without an Input.
        lengths: least and greatest length of free axes, by the name of an input or an axis, such
            as `{"time": (1, 80)}`. Without them, lengths from 1 to 301 are tried, and those on
            which Keras fails are left out.
        formats: of those in `exports.formats`, such as "saved_model", "onnx" and "litert".
        encoder: turns text into the model's ids: the endpoint "text" takes strings, in a
            signature `serving_text` of the SavedModel and in `onnx/text.onnx`.
        labels: name of each class.
        examples: real inputs to compare the formats on: an array, a list, or a mapping by name.
        texts: real texts to compare the formats on, with an `encoder`.
        streaming: also write the step model, which takes a chunk of a sequence and the states to
            go on from; None: if a layer is stateful.
        small: smaller files of the formats that have them, each held to a limit of its own.
        answer: what the outputs mean, a kind of `exports.answers`; kept in `config.json`.
        forecast: an `answer` that is a `Forecast`, under its older name.
        audio_frontend: turns sound into the inputs of the model: the endpoint "sound".
        writing: of a model that writes a text, how it does: the endpoints "encode" and
            "decode_step", over which `Predictor.generate` searches.
        card: what the model card and the metadata of the ONNX file say beside what is measured
            here, by heading: the task, the data and its version.
        config: settings of the run, kept in `config.json`.

    Returns:
        The artifact, with the measured differences in `parity.json`, and sizes and latency in
        `report.json`.

    Raises:
        ExportError: if the directory exists or cannot be written, a layer cannot be converted,
            cannot stream or cannot be rebuilt on TensorFlow, a format differs from Keras beyond the
            tolerance, or a small form lowers a figure beyond its limit.
    """
    options = dict(locals())
    arguments.reject_wrong_types(options)
    if inputs is not None:
        model = keras.Model(inputs, model(inputs), name=model.name)
    del options["model"], options["directory"], options["inputs"]
    if keras.backend.backend() != "tensorflow":
        return other_backends.export(model, directory, **options)
    plan = planning.of(model, options)
    with artifact.draft(Path(directory)) as draft:
        drafted = _begun(draft, plan, labels)
        with tracing.in_float32(model):
            for format in plan.formats:
                format.write(plan.taken(format), draft, plan.properties)
            parities = verifier.compared(drafted, plan.endpoints, plan.reference, plan.samples)
            smaller = {} if small is None else _smaller(draft, plan, small)
        parities["given"] = verifier.of_given(model, drafted, plan.reference, plan.samples)
        for format in plan.formats:
            format.finish(plan.endpoints, draft)
        measured = {"precision": smaller, "latency": _latency(drafted, plan)}
        _record(draft, plan, parities)
        report.write(drafted, model.name, plan.formats, parities, card or {}, measured)
    return load(directory)


def read_keras(path: str | os.PathLike[str]) -> keras.Model:
    """Read a `.keras` file; our layers are known.

    Raises:
        ExportError: if it is missing, damaged, or Keras cannot load it.
    """
    return keras_file.read(Path(path))


def _begun(draft: Path, plan: Plan, labels: Sequence[str] | None) -> Artifact:
    """Write what says how the files of formats are read."""
    artifact.write_json(draft / artifact.CONFIG, plan.config)
    if labels is not None:
        artifact.write_json(draft / artifact.LABELS, list(labels))
    if plan.config.answer is not None:
        shutil.copyfile(answers.SCRIPT, draft / artifact.ANSWERS)
    if plan.config.writing is not None:
        shutil.copyfile(generation.SCRIPT, draft / artifact.GENERATION)
    if plan.vocabulary:
        path = draft / artifact.VOCABULARY
        path.write_text(plan.vocabulary, encoding="utf-8", newline="\n")
    return Artifact(draft, plan.config)


def _smaller(draft: Path, plan: Plan, small: Precision) -> dict[str, Any]:
    """Write the model in other precisions, and measure what each costs."""
    return {
        format.name: precision.measure(format, plan.endpoints[0], draft, small, plan.samples.cases)
        for format in plan.formats
        if format.precisions
    }


def _latency(drafted: Artifact, plan: Plan) -> dict[str, Any]:
    """Measure the model in Keras and in each file."""
    files = {**known_formats.runs(drafted), **known_formats.small(drafted)}
    rows = plan.config.signature.batch
    batches = [rows] if rows else latency.BATCHES
    return latency.of_cases({"keras": plan.reference.run, **files}, plan.samples.cases, batches)


def _record(draft: Path, plan: Plan, parities: Mapping[str, Parity]) -> None:
    """Write examples with the answers of Keras, and the parities."""
    rows = plan.config.signature.batch or _RECORDED
    inputs = plan.samples.cases[0].inputs
    request = {name: values[:rows] for name, values in inputs.items()}
    artifact.write_json(draft / artifact.REQUEST, _listed(request))
    artifact.write_json(draft / artifact.RESPONSE, _listed(plan.reference.run(request)))
    proved = {name: each.to_json() for name, each in parities.items()}
    artifact.write_json(draft / artifact.PARITY, proved)


def _listed(arrays: Arrays) -> dict[str, Any]:
    return {name: values.tolist() for name, values in arrays.items()}
