"""The kinds of pages, and which one a model gets: what it takes and gives decides."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import onnx
from google.protobuf.message import DecodeError

from exports import files, formats
from exports.answers import Label, Spans, words_of
from exports.artifact import Artifact
from exports.errors import ExportError
from exports.runtime.generation import SCRIPT
from exports.runtime.tokens import TOKENIZERS
from exports.runtime.web import graphs
from exports.runtime.web.build import Page
from exports.schema import DECODE_STEP, ENCODE, MODEL, SOUND, STEP, TEXT, Unit, Writing
from exports.signature import Array

_STATIC = Path(__file__).parent / "static"
_NAMED_BY_ITSELF = re.compile(r"(functional|sequential|model|tf2onnx)(_\d+)?")
_SHOWN = 40  # words of an example


def page_of(exported: Artifact) -> Page:
    """Return the page of a model.

    Raises:
        ExportError: if there is none for such a model, or a file that it needs was not exported.
    """
    if "onnx" not in exported.formats:
        raise ExportError(f'{exported.directory} has no ONNX file: export with "onnx", too.')
    for make in _KINDS:
        if kind := make(exported):
            return kind
    inputs = ", ".join(
        f"{each.name} {list(each.dimensions())}" for each in exported.signature.inputs
    )
    raise ExportError(
        f"There is no page for a model that takes {inputs}. There are pages for raw text that gets "
        "a label, words that get one each, a text that is written for a text or an image or "
        "behind a text, sound that is heard, and forecasts of series."
    )


def text(exported: Artifact) -> Page | None:
    """Raw text in, one number for each label out: the text is typed, and read word by word."""
    kind = exported.config.text
    if kind is None or not _scores_labels(exported):
        return None
    known = ["", "", *exported.vocabulary[graphs.UNKNOWN + 1 :]]
    model, states = graphs.watched(_read(exported, MODEL))
    facts = {
        **_facts(exported, states),
        "answer": _answer(exported),
        "labels": exported.labels,
        "unknown": graphs.UNKNOWN,
        "most": kind.max_length,
        "example": _example(exported, exported.signature.inputs[0].name, known, kind.tokens),
    }
    reader = graphs.reader(_read(exported, TEXT))
    return Page(
        _STATIC,
        "text",
        _title(exported, model),
        {"reader.onnx": reader, "model.onnx": model},
        facts,
        ("replay.mjs",),
    )


def tagging(exported: Artifact) -> Page | None:
    """Words in, a label for each out: a sentence is typed, and its spans are listed."""
    answer = exported.config.answer
    if not isinstance(answer, Spans) or not answer.words:
        return None
    model, states = graphs.watched(_read(exported, MODEL))
    (spelling,) = exported.signature.inputs
    example = words_of(exported.request[spelling.name][0])
    facts = {
        **_facts(exported, states),
        "answer": msgspec.to_builtins(answer),
        "labels": exported.labels,
        "bytes": spelling.shape[2],
        "example": " ".join(filter(None, example)),
    }
    return Page(_STATIC, "tagging", _title(exported, model), {"model.onnx": model}, facts)


def translating(exported: Artifact) -> Page | None:
    """A text or an image in, a text out: what a search finds is written token by token."""
    writing = exported.config.writing
    if writing is None or writing.start is None:
        return None
    halves = {name: exported.endpoint(name) for name in (ENCODE, DECODE_STEP)}
    first, *others = halves[ENCODE].inputs
    source = writing.source
    if others or not (source.input == first.name if source else _is_image(first)):
        return None
    endpoints = {
        name: {"inputs": half.inputs, "outputs": half.outputs} for name, half in halves.items()
    }
    config = {"writing": writing, "endpoints": endpoints}
    step = _read(exported, DECODE_STEP)
    facts: dict[str, Any] = {"config": msgspec.to_builtins(config), "labels": exported.labels}
    if source:
        facts["example"] = _example(exported, first.name, ("", *source.known, ""), source.unit)
    else:
        facts["example"] = exported.request[first.name][0].ravel().tolist()
    files = {"encode.onnx": _read(exported, ENCODE), "decode_step.onnx": step}
    return Page(_STATIC, "translating", _title(exported, step), files, facts, (SCRIPT,))


def writing(exported: Artifact) -> Page | None:
    """Tokens in, how likely each is to be the next out: the model goes on with what is typed."""
    labels, (first, *others), output, _ = exported.labels, *exported.signature
    if not labels or others or first.shape != (None, None) or first.dtype not in _IDS:
        return None
    writing = exported.config.writing or _letter_by_letter(labels, first.name)
    if output[0].shape != (None, None, len(labels)) or writing is None or writing.start is not None:
        return None
    if not exported.states:
        raise ExportError(
            f"{exported.directory} holds no step model, with which a page could write: export "
            "with --streaming."
        )
    step = _read(exported, STEP)
    shown = ["" if place in writing.never else label for place, label in enumerate(labels)]
    facts = {
        **_facts(exported, exported.states),
        "type": first.dtype,
        "labels": labels,
        "unit": writing.unit,
        "never": writing.never,
        "example": _example(exported, first.name, shown, writing.unit),
    }
    title = _title(exported, step)
    return Page(_STATIC, "writing", title, {"step.onnx": step}, facts, (SCRIPT,))


def forecast(exported: Artifact) -> Page | None:
    """Series in, how they go on out: rows are typed, and what comes next is drawn."""
    columns = exported.config.forecast
    if columns is None:
        return None
    model, states = graphs.watched(_read(exported, MODEL))
    values, known = (exported.request[name][0] for name in ("values", "known"))
    facts = {
        **_facts(exported, states),
        **msgspec.structs.asdict(columns),
        "answer": msgspec.to_builtins(columns),
        "window": len(values),
        "horizon": exported.signature.outputs[0].shape[1],
        "example": [
            [value if there else None for value, there in zip(*row, strict=True)]
            for row in zip(values.tolist(), known > 0, strict=True)  # JSON has no NaN
        ],
        "example_ahead": exported.request["future"][0].tolist() if columns.future else [],
    }
    return Page(_STATIC, "forecast", _title(exported, model), {"model.onnx": model}, facts)


def sound(exported: Artifact) -> Page | None:
    """Sound in, one number for each label out: it is recorded or read, and heard frame by frame."""
    if exported.config.sound is None or not _scores_labels(exported):
        return None
    model, states = graphs.watched(_read(exported, MODEL))
    facts = {
        **_facts(exported, states),
        "answer": _answer(exported),
        "rate": exported.config.sound.rate,
        "labels": exported.labels,
    }
    files = {"sound.onnx": _read(exported, SOUND), "model.onnx": model}
    return Page(_STATIC, "sound", _title(exported, model), files, facts, ("replay.mjs",))


_KINDS: tuple[Callable[[Artifact], Page | None], ...] = (
    text,
    tagging,
    translating,
    writing,
    sound,
    forecast,
)
_IDS = ("int32", "int64")
_PIXELS = ("uint8", "float32")
_LETTERS = 300  # of a text
_NO_LETTERS = ("", "[UNK]")  # padding, and what stands for every unknown letter


def _scores_labels(exported: Artifact) -> bool:
    """Whether the first output is one number for each label."""
    labels, output = exported.labels or [], exported.signature.outputs[0]
    return bool(labels) and output.shape == (None, len(labels))


def _answer(exported: Artifact) -> Any:
    """Return what the scores of labels mean: one label, unless the artifact says otherwise."""
    answer = exported.config.answer
    return msgspec.to_builtins(answer if answer and answer.has_labels else Label())


def _facts(exported: Artifact, states: Iterable[Any]) -> dict[str, Any]:
    """Return what the page of any kind must know: where numbers go in and come out."""
    return {
        "input": exported.signature.inputs[0].name,
        "output": exported.signature.outputs[0].name,
        "states": [asdict(state) for state in states],
    }


def _is_image(array: Array) -> bool:
    """Whether an input is images of one size, `[batch, height, width, channels]`."""
    _, *size = array.shape
    return len(size) == 3 and None not in size and size[-1] in (1, 3) and array.dtype in _PIXELS


def _letter_by_letter(labels: Sequence[str], tokens: str) -> Writing | None:
    """Return how a model of letters writes that does not say it, as in version 0.1."""
    if not all(len(label) == 1 or label in _NO_LETTERS for label in labels):
        return None
    never = tuple(place for place, label in enumerate(labels) if len(label) != 1)
    return Writing("characters", _LETTERS, never=never, previous=tokens)


def _read(exported: Artifact, name: str) -> onnx.ModelProto:
    path = exported.directory / formats.get("onnx").path(name)
    try:
        model = onnx.load_from_string(files.read_bytes(path, onnx.checker.MAXIMUM_PROTOBUF))
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise ExportError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    return model


def _title(exported: Artifact, model: onnx.ModelProto) -> str:
    """Return what the model card says that the model tells, or else a name that somebody chose."""
    card = {each.key: each.value for each in model.metadata_props}
    name = _name(exported, model.graph.name).replace("_", " ")
    title = card.get("title") or card.get("task") or name
    return title[:1].upper() + title[1:]


def _name(exported: Artifact, name: str) -> str:
    """Return the name of the model, or of its directory if Keras or the converter named it."""
    if not _NAMED_BY_ITSELF.fullmatch(name):
        return name
    directory = exported.directory.resolve()
    return (directory.parent if directory.name == "exports" else directory).name


def _example(exported: Artifact, name: str, tokens: Sequence[str], unit: Unit) -> str:
    """Return a recorded text, without the tokens that are ""; "" if none is real."""
    proof = exported.proofs.get(MODEL)
    if proof is None or not any(case.startswith("real") for case in proof.cases[:1]):
        return ""
    rows = exported.request[name].astype(int).tolist()
    named = [[tokens[each] for each in row if 0 <= each < len(tokens)] for row in rows]
    known = [[token for token in row if token] for row in named]
    return TOKENIZERS[unit].join(max(known, key=len)[:_SHOWN])
