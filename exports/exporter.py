"""Export a model: write each format, show that they agree, and only then put them in place."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from exports import artifact, onnx_graph, onnx_text, parity, report, runtime, saved_model, traced
from exports import streaming as step_model
from exports.artifact import FORMATS, Artifact, load
from exports.errors import ExportError
from exports.parity import Case, Parity
from exports.signature import Signature, State
from exports.text import TextEncoder

_BATCH = 64
_RECORDED = 8
_HARD_TEXTS = (
    *("", " ", "!?", "Don't   STOP<br />now", "день and 日本語", "ΑΘΗΝΑ", "🙂", "a\tb\nc"),
    *("ÉCOLE", "a<b<BR>c>"),
)


def export(
    model: keras.Model,
    directory: str | os.PathLike[str],
    *,
    formats: Sequence[str] = tuple(FORMATS),
    encoder: TextEncoder | None = None,
    labels: Sequence[str] | None = None,
    examples: Any = None,
    texts: Sequence[str] = (),
    streaming: bool | None = None,
    card: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Artifact:
    """Write `model` to a new directory in each of `formats`, proved to agree with Keras.

    Args:
        model: a Functional or Sequential Keras model; our recurrent layers and Keras's own. What
            is stateful in it begins with zeros.
        directory: is created; nothing is left there if the export fails.
        formats: of "saved_model" and "onnx".
        encoder: turns text into the model's ids; each format then takes raw text too, in a
            signature `serving_text` of the SavedModel and in `onnx/text.onnx`.
        labels: name of each class.
        examples: real inputs to compare the formats on: an array, a list, or a mapping by name.
        texts: real texts to compare the formats on, with an `encoder`.
        streaming: also write the step model, which takes a chunk of a sequence and the states to
            go on from; None: if a layer is stateful.
        card: what the model card says beside what is measured here, by heading.
        config: settings of the run, kept in `config.json`.

    Returns:
        The artifact, with the measured differences in `parity.json`.

    Raises:
        ExportError: if the directory exists or cannot be written, a layer cannot be converted or
            cannot stream, or a format differs from Keras beyond the tolerance.
    """
    directory = Path(directory)
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ExportError(f"Unknown formats {unknown}: choose among {', '.join(FORMATS)}.")
    if any(layer.compute_dtype != "float32" for layer in model._flatten_layers()):
        model = traced.in_float32(model)
    signature = Signature.of(model)
    if encoder is not None and len(signature.inputs) != 1:
        names = [array.name for array in signature.inputs]
        raise ExportError(f"An `encoder` gives ids to one input, and the inputs are {names}.")
    if streaming is None:
        streaming = step_model.is_stateful(model)
    states = step_model.states(model, signature) if streaming else ()
    with artifact.draft(directory) as draft:
        runs = {"keras": traced.run(model, signature)}
        if "saved_model" in formats:
            saved_model.write(model, signature, draft / artifact.SAVED_MODEL, encoder, states)
            runs["saved_model"] = saved_model.read(draft / artifact.SAVED_MODEL)
        if "onnx" in formats:
            path = draft / artifact.ONNX
            path.parent.mkdir()
            graph = onnx_graph.convert(model, signature)
            path.write_bytes(graph.SerializeToString())
            if encoder is not None:
                text_graph = onnx_text.with_text(graph, encoder)
                (draft / artifact.TEXT_ONNX).write_bytes(text_graph.SerializeToString())
            runs["onnx"] = runtime.read(path)
        real = list(_real_cases(signature, examples, texts, encoder))
        limits = _limits(model, signature)
        cases = [*real, *parity.grid(signature, limits)]
        proof = parity.compare(runs, cases)
        if states:
            if "onnx" in formats:
                call = step_model.function(model, signature, states)
                step = onnx_graph.convert(
                    model,
                    step_model.signature_of(signature, states),
                    step_model.metadata(states),
                    call,
                )
                (draft / artifact.STEP).write_bytes(step.SerializeToString())
            whole = {"keras": runs["keras"]}
            streamed = _compare_chunks(whole, draft, formats, signature, states, limits)
        if encoder is not None:
            sample = [*texts[:_BATCH], *_HARD_TEXTS]
            _check_text(draft, formats, runs["keras"], signature, encoder, sample)
            lines = "".join(f"{word}\n" for word in encoder.vocabulary)
            (draft / artifact.VOCABULARY).write_text(lines, encoding="utf-8", newline="\n")
        if labels is not None:
            artifact.write_json(draft / artifact.LABELS, list(labels))
        settings = {
            "formats": list(formats),
            "inputs": [array._asdict() for array in signature.inputs],
            "outputs": [array._asdict() for array in signature.outputs],
            "limits": limits,
            "streaming": {"states": [state._asdict() for state in states]} if states else None,
            "text": None if encoder is None else {"max_length": encoder.max_length},
            "run": dict(config or {}),
        }
        request = {name: values[:_RECORDED] for name, values in cases[0].inputs.items()}
        artifact.write_json(draft / artifact.CONFIG, settings)
        proved = {**proof.to_json(), "streaming": streamed.to_json() if states else None}
        artifact.write_json(draft / artifact.PARITY, proved)
        artifact.write_json(draft / artifact.REQUEST, _listed(request))
        artifact.write_json(draft / artifact.RESPONSE, _listed(runs["keras"](request)))
        report.write(draft, model.name, settings, proof, labels, card or {})
    return load(directory)


def verify(directory: str | os.PathLike[str]) -> list[Parity]:
    """Check an exported model again, wherever it is now.

    Its files must be those of the manifest, each format must give the recorded answers of Keras,
    and the formats must agree on inputs generated anew.

    Raises:
        ExportError: at the first that does not hold.
    """
    exported = load(directory)
    signature, runs = exported.signature, exported.runs(exported.formats)
    limits = exported.config["limits"]
    request = artifact.read_json(exported.directory / artifact.REQUEST)
    response = artifact.read_json(exported.directory / artifact.RESPONSE)
    answers = {
        array.name: np.asarray(response[array.name], array.dtype) for array in signature.outputs
    }
    case = Case("recorded examples", signature.name_inputs(request), real=True)
    proofs = [parity.compare({"keras, as recorded": lambda _: answers, **runs}, [case])]
    if len(runs) > 1:
        proofs.append(parity.compare(runs, parity.grid(signature, limits, seed=1)))
    if exported.states:
        reference = exported.formats[0]
        proofs.append(
            _compare_chunks(
                {reference: runs[reference]},
                exported.directory,
                exported.formats,
                exported.signature,
                exported.states,
                limits,
                seed=1,
            )
        )
    return proofs


def _compare_chunks(
    whole: Mapping[str, parity.Run],
    directory: Path,
    formats: Sequence[str],
    signature: Signature,
    states: Sequence[State],
    limits: Mapping[str, int],
    seed: int = 0,
) -> Parity:
    """Show that sequences fed in chunks to the step models give what they give as a whole."""
    steps: dict[str, parity.Run] = {}
    if "saved_model" in formats:
        path = directory / artifact.SAVED_MODEL
        steps["saved_model in chunks"] = saved_model.read(path, saved_model.STEP)
    if "onnx" in formats:
        steps["onnx in chunks"] = runtime.read(directory / artifact.STEP)
    chunked = {
        name: step_model.in_chunks(run, signature, states, seed) for name, run in steps.items()
    }
    cases = step_model.cases(parity.grid(signature, limits, seed))
    return parity.compare({**whole, **chunked}, cases)


def _limits(model: keras.Model, signature: Signature) -> dict[str, int]:
    """Return how many values integer inputs may take: what every embedding has a row for."""
    rows = [
        layer.input_dim
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Embedding)
    ]
    integers = [array.name for array in signature.inputs if "int" in array.dtype]
    return {name: min(rows) for name in integers} if rows else {}


def _real_cases(
    signature: Signature, examples: Any, texts: Sequence[str], encoder: TextEncoder | None
) -> Iterator[Case]:
    """Cut the real data into batches; texts of like length go together."""
    if examples is not None:
        arrays = signature.name_inputs(examples)
        rows = len(next(iter(arrays.values())))
        for start in range(0, rows, _BATCH):
            part = slice(start, start + _BATCH)
            yield Case(
                f"real rows from {start}",
                {name: values[part] for name, values in arrays.items()},
                real=True,
            )
    if texts and encoder is None:
        raise ExportError("`texts` need an `encoder` that turns them into the model's inputs.")
    if texts and encoder is not None:
        encoded = sorted(encoder.encode(texts), key=len)
        for start in range(0, len(encoded), _BATCH):
            arrays_of_ids = encoded[start : start + _BATCH]
            longest = max(1, len(arrays_of_ids[-1]))
            batch = np.zeros((len(arrays_of_ids), longest), "int32")
            for row, ids in zip(batch, arrays_of_ids, strict=True):
                row[: len(ids)] = ids
            yield Case(f"real texts from {start}", signature.name_inputs(batch), real=True)


def _check_text(
    draft: Path,
    formats: Sequence[str],
    run: parity.Run,
    signature: Signature,
    encoder: TextEncoder,
    texts: Sequence[str],
) -> None:
    """Hold what takes raw text against Keras on the same texts."""
    text_runs: dict[str, parity.Run] = {}
    if "saved_model" in formats:
        path = draft / artifact.SAVED_MODEL
        text_runs["saved_model of text"] = saved_model.read(path, saved_model.TEXT)
    if "onnx" in formats:
        text_runs["onnx of text"] = runtime.read(draft / artifact.TEXT_ONNX)
    strings = np.array(list(texts), object)
    tokens = encoder(strings).numpy()
    parity.compare(
        {"keras": lambda _: run(signature.name_inputs(tokens)), **text_runs},
        [Case("texts", {"text": strings}, real=True)],
    )


def _listed(arrays: parity.Arrays) -> dict[str, Any]:
    return {name: values.tolist() for name, values in arrays.items()}
