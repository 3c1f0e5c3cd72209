"""Export a model: write each format, show that they agree, and only then put them in place."""

import os
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from exports import (
    artifact,
    axes,
    declared,
    endpoints,
    keras_file,
    latency,
    metadata,
    other_backends,
    precision,
    tracing,
    verifier,
)
from exports import (
    formats as known_formats,
)
from exports import (
    streaming as streamed,
)
from exports.answers import SCRIPT, Answer, Forecast
from exports.artifact import Artifact, load
from exports.card import report
from exports.endpoints.base import Endpoint, Reference, Request, Samples
from exports.errors import InvalidArgumentError
from exports.formats.base import Format
from exports.parity.cases import grid
from exports.parity.compare import reject_randomness
from exports.precision import Precision
from exports.schema import MODEL, STEP, TEXT, Config, Ends, Sound, Streaming, Text, Writing
from exports.signature import Arrays, AudioFrontend, Signature
from exports.text import TextEncoder

DEFAULT_FORMATS = ("saved_model", "onnx")
_RECORDED = 8
_STRINGS = "a list of strings"
_TYPES: dict[str, tuple[Any, str]] = {  # of arguments, for those who do not check them
    "model": (keras.Model, "a keras.Model; exports.read_keras(path) reads a file"),
    "directory": (str | os.PathLike, "a path"),
    "lengths": (Mapping | None, "a mapping of names to ranges, such as {'time': (1, 80)}"),
    "formats": (Sequence, _STRINGS),
    "encoder": (TextEncoder | None, "a TextEncoder"),
    "labels": (Sequence | None, _STRINGS),
    "texts": (Sequence, _STRINGS),
    "small": (Precision | None, "a Precision"),
    "answer": (Answer | None, "a kind of `exports.answers`"),
    "forecast": (Forecast | None, "a Forecast"),
    "audio_frontend": (AudioFrontend | None, "an AudioFrontend"),
    "writing": (Writing | None, "a Writing"),
    "card": (Mapping | None, "a mapping"),
    "config": (Mapping | None, "a mapping"),
}


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
    _reject_wrong_types(arguments := dict(locals()))
    if inputs is not None:
        model = keras.Model(inputs, model(inputs), name=model.name)
    if keras.backend.backend() != "tensorflow":
        return other_backends.export(**{**arguments, "model": model, "inputs": None})
    directory, card = Path(directory), card or {}
    writers = _chosen(formats, small)
    if streaming is None:
        goes_on = writing is not None and writing.start is None
        streaming = goes_on or streamed.is_stateful(model)
    limits = declared.limits(model)
    with tracing.in_float32(model):
        tracing.reject_nonfinite_weights(model)
        signature, run = axes.signature(model, limits, lengths or {})
        generated = grid(signature, limits)
        reject_randomness(run, generated[-1])
        _reject_texts(signature, encoder, texts)
        encoder = None if encoder is None else _fitting(encoder, signature)
        _reject_labels(signature, labels)
        _reject_answer(signature, labels, answer or forecast)
        able = endpoints.requested(
            Request(model, signature, encoder, audio_frontend, writing, streaming)
        )
    real = list(verifier.real_cases(signature, examples, texts, encoder))
    samples = Samples(generated, limits, real, texts)
    vocabulary = "".join(f"{word}\n" for word in encoder.vocabulary) if encoder else ""
    settings = Config(
        formats=list(formats),
        inputs=signature.inputs,
        outputs=signature.outputs,
        small=[] if small is None else list(small.forms),
        lengths=signature.lengths,
        limits=limits,
        streaming=_streaming(able),
        text=None if encoder is None else _text(encoder),
        hearing=None if audio_frontend is None else Sound(audio_frontend.rate),
        answer=answer,
        forecast=forecast,
        writing=writing,
        run=dict(config or {}),
        endpoints={
            each.name: Ends(each.signature.inputs, each.signature.outputs)
            for each in able
            if each.name not in (MODEL, STEP, TEXT)
        },
        declined=_declined(able, writers),
    )
    with artifact.draft(directory) as draft:
        drafted = Artifact(draft, settings)
        artifact.write_json(draft / artifact.CONFIG, settings)
        if labels is not None:
            artifact.write_json(draft / artifact.LABELS, list(labels))
        if settings.answer is not None:
            shutil.copyfile(SCRIPT, draft / artifact.ANSWERS)
        if vocabulary:
            (draft / artifact.VOCABULARY).write_text(vocabulary, encoding="utf-8", newline="\n")
        properties = metadata.props(labels, vocabulary, card)
        reference = Reference("keras", run, tracing.sensitivity(model, signature), model)
        with tracing.in_float32(model):
            for writer in writers:
                writer.write(
                    [each for each in able if not writer.declines(each)], draft, properties
                )
            proofs = verifier.compared(drafted, able, reference, samples)
            smaller = {
                writer.name: precision.measure(writer, able[0], draft, small, samples.cases)
                for writer in writers
                if small is not None and writer.precisions
            }
        proofs["given"] = verifier.of_given(model, drafted, reference, samples)
        for writer in writers:
            writer.finish(able, draft)
        rows = signature.batch or _RECORDED
        asked = {name: values[:rows] for name, values in samples.cases[0].inputs.items()}
        artifact.write_json(draft / artifact.REQUEST, _listed(asked))
        artifact.write_json(draft / artifact.RESPONSE, _listed(run(asked)))
        proved = {name: each.to_json() for name, each in proofs.items()}
        artifact.write_json(draft / artifact.PARITY, proved)
        sides = {"keras": run, **known_formats.runs(drafted), **known_formats.small(drafted)}
        batches = [signature.batch] if signature.batch else latency.BATCHES
        timed = latency.of_cases(sides, samples.cases, batches)
        measured = {"precision": smaller, "latency": timed}
        report.write(drafted, model.name, writers, proofs, card, measured)
    return load(directory)


def read_keras(path: str | os.PathLike[str]) -> keras.Model:
    """Read a `.keras` file; our layers are known.

    Raises:
        ExportError: if it is missing, damaged, or Keras cannot load it.
    """
    return keras_file.read(Path(path))


def _reject_wrong_types(arguments: Mapping[str, Any]) -> None:
    for name, (kinds, described) in _TYPES.items():
        value = arguments[name]
        if not isinstance(value, kinds):
            raise InvalidArgumentError(f"`{name}` must be {described}, not {_kind(value)}.")
        if described == _STRINGS:
            if isinstance(value, str):
                raise InvalidArgumentError(
                    f"`{name}` must be {described}, not one string: [{value!r}]."
                )
            if wrong := [each for each in value or () if not isinstance(each, str)]:
                raise InvalidArgumentError(
                    f"`{name}` must be {described}, and holds {_kind(wrong[0])}."
                )


def _kind(value: Any) -> str:
    """Name a value with its type, in a few words."""
    return f"{textwrap.shorten(repr(value), 40)} ({type(value).__name__})"


def _reject_labels(signature: Signature, labels: Sequence[str] | None) -> None:
    sizes = {array.name: array.shape[-1] for array in signature.outputs if array.shape[1:]}
    if labels is not None and len(labels) not in sizes.values():
        raise InvalidArgumentError(
            f"`labels` names {len(labels)} classes, and no output has as many scores: {sizes}."
        )


def _reject_answer(
    signature: Signature, labels: Sequence[str] | None, answer: Answer | None
) -> None:
    if answer is None:
        return
    (output, *_) = signature.outputs
    try:
        answer.check(signature.inputs, output)
    except ValueError as error:
        raise InvalidArgumentError(f"`answer` does not fit the model: {error}.") from error
    if answer.has_labels and len(labels or ()) != output.shape[-1]:
        raise InvalidArgumentError(
            f"`answer` is said in labels: give `labels`, {output.shape[-1]} of them."
        )


def _chosen(formats: Sequence[str], small: Precision | None) -> list[Format]:
    """Return the formats to write.

    Raises:
        ExportError: if one is unknown, there are none, or none has the forms in `small`.
    """
    known = known_formats.names()
    unknown = [name for name in formats if name not in known]
    if unknown or not formats:
        raise InvalidArgumentError(f"Unknown formats {unknown}: choose among {', '.join(known)}.")
    found = [known_formats.get(name) for name in dict.fromkeys(formats)]
    if small is not None and not any(each.precisions for each in found):
        raise InvalidArgumentError(
            '`small` makes smaller files: add a format that has them, such as "onnx".'
        )
    return found


def _declined(able: Sequence[Endpoint], writers: Sequence[Format]) -> dict[str, dict[str, str]]:
    """Say for each endpoint which formats do not have it, and why."""
    reasons = {
        endpoint.name: {
            writer.name: reason for writer in writers if (reason := writer.declines(endpoint))
        }
        for endpoint in able
    }
    return {name: each for name, each in reasons.items() if each}


def _streaming(able: Sequence[Endpoint]) -> Streaming | None:
    states = next((each.states for each in able if each.name == STEP), ())
    return Streaming(states) if states else None


def _reject_texts(signature: Signature, encoder: TextEncoder | None, texts: Sequence[str]) -> None:
    if texts and encoder is None:
        raise InvalidArgumentError(
            "`texts` need an `encoder` that turns them into the model's inputs."
        )
    shapes = {array.name: array.dimensions() for array in signature.inputs}
    if encoder is not None and [len(shape) for shape in shapes.values()] != [2]:
        raise InvalidArgumentError(
            f"An `encoder` gives ids [batch, time] to one input, and the inputs are {shapes}."
        )


def _fitting(encoder: TextEncoder, signature: Signature) -> TextEncoder:
    """Return an encoder that pads short texts to as many ids as the model needs."""
    (ids,) = signature.inputs
    steps, most = ids.shape[1], encoder.max_length
    least = steps or max(1, signature.lengths[ids.axes[1]].minimum)
    if most < least or most != (steps or most):
        needed = f"exactly {steps}" if steps else f"at least {least}"
        raise InvalidArgumentError(
            f"The `encoder` gives up to {most} ids, and {ids.name!r} needs {needed}: "
            "give it another `max_length`."
        )
    return TextEncoder(encoder.vocabulary, most, least, encoder.tokens)


def _text(encoder: TextEncoder) -> Text:
    return Text(encoder.max_length, encoder.min_length, encoder.tokens)


def _listed(arrays: Arrays) -> dict[str, Any]:
    return {name: values.tolist() for name, values in arrays.items()}
