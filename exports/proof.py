"""What the formats of an exported model are compared on: whole sequences, chunks and raw text."""

import bisect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from exports import (
    artifact,
    onnx_graph,
    onnx_precision,
    parity,
    saved_model,
    sessions,
    streaming,
    tracing,
)
from exports.artifact import Artifact, load
from exports.errors import ExportError
from exports.parity import Arrays, Case, Parity, Run
from exports.signature import AudioFrontend, Signature
from exports.text import TextEncoder

_BATCH = 64
_SHORT = slice(0, 15, 6)  # of the cases by length, which Keras runs operator by operator
_HARD_TEXTS = (
    *("", " ", "!?", "Don't   STOP<br />now", "день and 日本語", "ΑΘΗΝΑ", "🙂", "a\tb\nc"),
    *("ÉCOLE", "a<b<BR>c>"),
)


def of_artifact(
    exported: Artifact,
    runs: Mapping[str, Run],
    cases: Sequence[Case],
    texts: Sequence[str] = (),
    model: keras.Model | None = None,
) -> dict[str, Parity]:
    """Hold each format against the first of `runs`.

    Args:
        exported: the files.
        runs: the model on whole sequences, by format; the first is the reference.
        cases: whole sequences.
        texts: raw texts, for a model that takes text; some hard ones are added.
        model: is asked for the reason of a difference, and for sequences of several calls, if it
            is at hand.

    Returns:
        What was compared on whole sequences and, where there are such files, in chunks and on raw
        text.

    Raises:
        ExportError: at the first difference beyond the tolerance.
    """
    (name, reference), *others = runs.items()
    near = _sensitivity(exported, model)
    proofs = {"whole": _of_whole(exported, runs, cases, near)} if others else {}
    if exported.states:
        whole = [case for case in cases if not case.real]
        sequences = {name: reference}
        if not exported.signature.streamed[0].has_time:
            sequences = {}
            if model is not None:
                calls = streaming.call_by_call(model, exported.signature)
                sequences = {f"{name}, call by call": calls}
        whole = streaming.cases(whole, exported.signature)
        proofs["chunks"] = _of_chunks(exported, sequences, whole, near, model)
    if exported.config.text is not None:
        proofs["text"] = _of_text(exported, {name: reference}, [*texts[:_BATCH], *_HARD_TEXTS])
    return proofs


def of_given(given: Run, precision: str, runs: Mapping[str, Run], cases: Sequence[Case]) -> Parity:
    """Hold the model in float32, and each format, against the model as its user calls it.

    Args:
        given: the model, not compiled and in its own precision.
        precision: of its coarsest layer, whose rounding is excused.
        runs: the model in float32, and the formats.
        cases: whole sequences; some of the shorter ones are taken.
    """
    short = sorted(
        (case for case in cases if not case.real),
        key=lambda case: max(values.size // len(values) for values in case.inputs.values()),
    )
    taken = short[_SHORT]
    against = {f"{name}, against the model in {precision}": run for name, run in runs.items()}
    tolerance = parity.Tolerance.of(precision)
    return parity.compare(
        {f"keras, as given in {precision}": given, **against}, taken, tolerance=tolerance
    )


@tracing.in_full_precision()
def verify(directory: str | os.PathLike[str]) -> dict[str, Parity]:
    """Check an exported model again, wherever it is now.

    Its files must be those of the manifest, each format must give the recorded answers of Keras,
    and the formats must agree on inputs generated anew, in chunks and on texts.

    Returns:
        What was compared: the recorded examples, and what `of_artifact` returns.

    Raises:
        ExportError: at the first that does not hold.
    """
    exported = load(directory)
    signature, runs = exported.signature, exported.runs(exported.formats)
    case = Case("recorded examples", exported.request, real=True)
    answers = exported.response
    recorded = parity.compare({"keras, as recorded": lambda _: answers, **runs}, [case])
    measured = exported.report.small
    for name, form in measured.forms.items() if measured else ():
        if name in exported.small:
            (run,) = exported.runs([name]).values()
            onnx_precision.verify(name, run, case, answers, form["difference"])
    anew = parity.grid(signature, exported.limits, seed=1)
    return {"recorded": recorded, **of_artifact(exported, runs, anew)}


def of_sound(exported: Artifact, run: Run, audio_frontend: AudioFrontend) -> Parity:
    """Show that what ONNX hears in sounds gives the answers that what Keras hears gives.

    Args:
        exported: the files.
        run: the model in Keras.
        audio_frontend: turns sound into the inputs of the model.
    """
    (name,) = (array.name for array in exported.signature.inputs)
    (answer,) = exported.runs(["onnx"]).values()
    hear = sessions.read(exported.directory / artifact.SOUND)

    def in_keras(sounds: Arrays) -> Arrays:
        return run({name: audio_frontend.front.predict(sounds["samples"], verbose=0)})

    def in_onnx(sounds: Arrays) -> Arrays:
        return answer({name: hear(sounds)["heard"]})

    runs = {"keras": in_keras, "onnx of sound": in_onnx}
    return parity.compare(runs, list(_sounds(audio_frontend.rate)))


def _sounds(rate: int) -> Iterator[Case]:
    """Make some noise."""
    generator = np.random.default_rng(0)
    for batch, seconds in ((1, 0.3), (2, 1.0), (3, 0.7)):
        size = (batch, round(rate * seconds))
        noise = generator.normal(scale=0.1, size=size) * np.linspace(1, 0.01, size[1])
        yield Case(f"{seconds} s of noise", {"samples": noise.astype("float32")})


def _sensitivity(exported: Artifact, model: keras.Model | None) -> Run | None:
    """Return how far the model moves by a rounding: in Keras if it is at hand, else in ONNX."""
    if model is not None:
        return tracing.sensitivity(model, exported.signature)
    if "onnx" in exported.formats:
        return onnx_graph.sensitivity(exported.directory / artifact.ONNX)
    return None


def _of_whole(
    exported: Artifact, runs: Mapping[str, Run], cases: Sequence[Case], near: Run | None
) -> Parity:
    """Compare the formats on whole sequences; of a model that amplifies, say what it can bear."""
    try:
        return parity.compare(runs, cases, near)
    except parity.AmplifiedError as error:
        if lengths := _agreeing_lengths(exported, runs):
            raise ExportError(f"{error} The formats agree with lengths={lengths}.") from error
        raise


def _agreeing_lengths(
    exported: Artifact, runs: Mapping[str, Run]
) -> dict[str, tuple[int, int]] | None:
    """Return the longest range of lengths on which formats agree, for the axis of each sequence."""
    signature = exported.signature
    axes = [array.axes[1] for array in signature.streamed if array.has_time]
    known = [signature.lengths[axis].proved for axis in axes if axis in signature.lengths]
    if not known:
        return None
    least, most = max(each[0] for each in known), max(each[-1] for each in known)

    def differ(length: int) -> bool:
        cases = parity.grid(signature.no_longer_than(length, axes), exported.limits)
        try:
            parity.compare(runs, cases)
        except ExportError:
            return True
        return False

    longest = least + bisect.bisect_left(range(least + 1, most), True, key=differ)
    return dict.fromkeys(axes, (least, longest)) if longest > least else None


def _of_chunks(
    exported: Artifact,
    whole: Mapping[str, Run],
    cases: Sequence[Case],
    near: Run | None,
    model: keras.Model | None,
) -> Parity:
    """Show that sequences fed in chunks to the step models give what they give as a whole."""
    signature, states = exported.signature, exported.states
    steps = _runs(exported, saved_model.STEP, artifact.STEP, signature.of_steps(states))
    chunked = {
        f"{name} in chunks": streaming.in_chunks(run, signature, states)
        for name, run in steps.items()
    }
    try:
        return parity.compare({**whole, **chunked}, cases, near)
    except ExportError as error:
        if model is None:
            raise
        layer = streaming.needs_all_steps(model, signature, states, cases)
        if layer is None:
            raise
        raise ExportError(
            f"{model.name!r} cannot be fed in chunks: {layer} needs the whole sequence, because it "
            "gives something else for a part of one. Use a layer that carries a state instead, or "
            f"export with streaming=False. ({error})"
        ) from error


def _of_text(exported: Artifact, whole: Mapping[str, Run], texts: Sequence[str]) -> Parity:
    """Show that what takes raw text gives what the model gives for the ids of the encoder."""
    ((reference, run),) = whole.items()
    signature = exported.signature.of_text()
    runs = _runs(exported, saved_model.TEXT, artifact.TEXT_ONNX, signature)
    text_runs = {f"{name} of text": each for name, each in runs.items()}
    strings = np.array(list(texts), object)
    tokens = exported.encoder(strings).numpy()
    return parity.compare(
        {reference: lambda _: run(exported.signature.name_inputs(tokens)), **text_runs},
        [Case("texts", {"text": strings}, real=True)],
    )


def _runs(exported: Artifact, name: str, file: str, signature: Signature) -> dict[str, Run]:
    """Return, of each format, the SavedModel's signature `name` or the ONNX `file`."""
    runs: dict[str, Run] = {}
    if "saved_model" in exported.formats:
        path = exported.directory / artifact.SAVED_MODEL
        runs["saved_model"] = saved_model.read(path, name, signature)
    if "onnx" in exported.formats:
        runs["onnx"] = sessions.read(exported.directory / file, signature=signature)
    return runs


def limits(model: keras.Model, signature: Signature) -> dict[str, int]:
    """Return how many values integer inputs may take: what every embedding has a row for."""
    rows = [
        layer.input_dim
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Embedding)
    ]
    integers = [array.name for array in signature.inputs if "int" in array.dtype]
    return {name: min(rows) for name in integers} if rows else {}


def real_cases(
    signature: Signature, examples: Any, texts: Sequence[str], encoder: TextEncoder | None
) -> Iterator[Case]:
    """Cut the real data into batches; texts of like length go together."""
    if examples is not None:
        arrays = signature.name_inputs(examples)
        rows = len(next(iter(arrays.values())))
        if not rows:
            raise ExportError("`examples` holds no rows: give some, or leave it out.")
        for start in range(0, rows, _BATCH):
            part = slice(start, start + _BATCH)
            yield Case(
                f"real rows from {start}",
                {name: values[part] for name, values in arrays.items()},
                real=True,
            )
    if texts and encoder is not None:
        encoded = sorted(encoder.encode(texts), key=len)
        for start in range(0, len(encoded), _BATCH):
            arrays_of_ids = encoded[start : start + _BATCH]
            longest = max(encoder.min_length, len(arrays_of_ids[-1]))
            batch = np.zeros((len(arrays_of_ids), longest), "int32")
            for row, ids in zip(batch, arrays_of_ids, strict=True):
                row[: len(ids)] = ids
            yield Case(f"real texts from {start}", signature.name_inputs(batch), real=True)
