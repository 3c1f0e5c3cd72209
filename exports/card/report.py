"""What the artifact says about itself: `report.json` for programs, a model card for people."""

import html
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import onnx
import onnxruntime
import tensorflow as tf

from exports import artifact
from exports.artifact import Artifact
from exports.errors import printable
from exports.formats.base import FULL, Format
from exports.parity.compare import Parity
from exports.schema import MODEL, STEP, Config
from exports.signature import Lengths, State

# What Markdown reads as more than a letter; an underscore between letters is one.
_MARKUP = re.compile(r"[\\`*\[\]|~$@#!]|(?<![^\W_])_|_(?![^\W_])|^[-+]|(?<=\d)[.)](?=\s|$)")
_PLAIN = re.compile(r"[\w./:-]+")


def write(
    exported: Artifact,
    name: str,
    writers: Sequence[Format],
    parities: Mapping[str, Parity],
    card: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> None:
    """Write `report.json` and the model card into an artifact's directory.

    Args:
        exported: the artifact, but for these two.
        name: of the model.
        writers: its formats.
        parities: of the formats, by endpoint.
        card: what the card says beside what is measured, by heading.
        measured: each `precision` of the formats that have several, and the `latency`.
    """
    directory = exported.directory
    content: dict[str, Any] = {
        "model": name,
        "sizes": {each.name: artifact.size(directory / each.path(MODEL)) for each in writers},
        "operators": None,
        "versions": {
            module.__name__: module.__version__ for module in (keras, onnx, onnxruntime, tf)
        },
        "card": dict(card),
        **measured,
    }
    for each in writers:
        content |= each.described(directory)
    artifact.write_json(directory / artifact.REPORT, content)
    text = _card(content, exported, writers, parities)
    (directory / artifact.README).write_text(text, encoding="utf-8")


def _card(
    content: Mapping[str, Any],
    exported: Artifact,
    writers: Sequence[Format],
    parities: Mapping[str, Parity],
) -> str:
    settings, labels = exported.config, exported.labels
    lines = [f"# {_text(content['model'])}", ""]
    lines += [f"- {_text(heading)}: {_text(value)}" for heading, value in content["card"].items()]
    if labels is not None:
        lines += [f"- labels, in order: {', '.join(map(_text, labels))}"]
    lines += ["", "## Inputs and outputs", "", "| | name | shape | type |", "|---|---|---|---|"]
    for end, arrays in (("input", settings.inputs), ("output", settings.outputs)):
        for array in arrays:
            shape = " x ".join(map(str, array.dimensions()))
            lines.append(f"| {end} | {_code(array.name)} | {shape} | {array.dtype} |")
    if settings.lengths:
        lines += ["", *_lengths(settings.lengths)]
    if settings.signatures.keys() != {MODEL}:
        lines += ["", "## Endpoints", "", *_endpoints(settings, writers)]
    lines += [
        "",
        "## Parity with Keras",
        "",
        f"Over {sum(len(each.cases) for each in parities.values())} cases; every number within the "
        "tolerance in `parity.json`.",
        "",
        "| format | bytes | largest difference | ULP | labels equal on real data |",
        "|---|---|---|---|---|",
    ]
    for name, found in itertools.chain(*(each.differences.items() for each in parities.values())):
        lines.append(
            f"| {_text(name)} | {content['sizes'].get(name, '')} | {found.absolute:.2g} "
            f"| {found.ulp} | {found.labels_equal} of {found.labels_compared} |"
        )
    if content["operators"] is not None:
        counts = ", ".join(f"{count} {name}" for name, count in content["operators"].items())
        lines += ["", f"ONNX opset {content['opset']}, operators: {counts}.", ""]
        became = content["recurrent_layers"].items()
        lines += [f"- recurrent layer {_code(layer)}: {form}" for layer, form in became]
    if settings.states:
        lines += ["", "## Streaming", "", *_streaming(settings.states)]
    for each in writers:
        if measured := content["precision"].get(each.name):
            lines += ["", f"## Smaller {each.name} files", "", *_small(each, measured)]
    lines += ["", "## Latency", "", *_latency(content["latency"])]
    lines += [
        "",
        "## Use",
        "",
        "Check the files with `sha256sum --check MANIFEST.sha256`. A batch has at least one row: "
        "ONNX Runtime's recurrent operators crash on none.",
    ]
    for each in writers:
        lines += each.usage(settings)
    return "\n".join([*lines, ""])


def _endpoints(settings: Config, writers: Sequence[Format]) -> Iterator[str]:
    """Say where each endpoint is, or why a format does not have it."""
    yield _row(["endpoint", "takes", *(each.name for each in writers)])
    yield _row(["---"] * (2 + len(writers)))
    for name, signature in settings.signatures.items():
        declined = settings.declined.get(name, {})
        cells = (declined.get(each.name) or f"`{each.path(name)}`" for each in writers)
        yield _row([name, ", ".join(_code(array.name) for array in signature.inputs), *cells])


def _lengths(lengths: Mapping[str, Lengths]) -> Iterator[str]:
    """Say how long the axes may be."""
    for axis, each in lengths.items():
        proved, minimum = each.proved, each.minimum
        shorter = f"; Keras takes no fewer than {minimum}" if minimum else ""
        yield f"- `{axis}`: compared on lengths from {proved[0]} to {proved[-1]}{shorter}"


def _streaming(states: Sequence[State]) -> Iterator[str]:
    """Say how a sequence is fed in chunks."""
    yield (
        f"The endpoint `{STEP}` takes a chunk of a sequence of any length and the states "
        "to go on from. A sequence begins with zeros; what comes out under the second name goes in "
        "under the first with the next chunk."
    )
    yield ""
    for state in states:
        shape = " x ".join(str(size or "any") for size in state.shape)
        yield f"- {_code(state.name)}, {_code(state.next)}: {shape}, {state.dtype}"


def _small(writer: Format, measured: Mapping[str, Any]) -> Iterator[str]:
    """Lay out the files of a format in each precision, side by side."""
    forms = measured["forms"]
    figures = list(forms["float32"]["figures"])
    names = list(map(_text, figures))
    columns = ["form", "file", "bytes", *names, *(f"drop of {name}" for name in names)]
    yield (
        f"No figure may be worse than that of float32 by more than {measured['max_drop']:g}. The "
        "largest difference is that of any output from float32."
    )
    yield ""
    yield _row([*columns, "largest difference"])
    yield _row(["---"] * (len(columns) + 1))
    for name, form in forms.items():
        path = writer.path(MODEL, name)
        scores = [*form["figures"].values(), *form["drops"].values()]
        shown = [f"{score:.4f}" for score in scores]
        yield _row([name, f"`{path}`", form["bytes"], *shown, f"{form['difference']:.2g}"])
    known = {name: form["in_float32"] for name, form in forms.items() if name != FULL}
    if None in known.values():
        return
    yield ""
    for name, weights in known.items():
        sizes = [f"{operator} {size}" for operator, size in weights.items()]
        yield f"- bytes of weights that {name} keeps in float32: {', '.join(sizes) or 'none'}"


def _latency(latency: Mapping[str, Any]) -> Iterator[str]:
    """Lay out what a call takes, a row a side and a column a batch size."""
    found = latency["milliseconds"]
    batches = list(dict.fromkeys(each["batch"] for each in found))
    cells = {
        (each["side"], each["batch"]): f"{each['p50']:.2f} / {each['p99']:.2f}" for each in found
    }
    calls = ", ".join(
        f"{next(each['calls'] for each in found if each['batch'] == batch)} calls at batch {batch}"
        for batch in batches
    )
    rows = ", ".join(
        f"{_code(name)} of {' x '.join(map(str, shape)) or 'one number'}"
        for name, shape in latency["shape_of_a_row"].items()
    )
    yield (
        f"Milliseconds a call, p50 / p99, on {_text(latency['processor'])}; a row is {rows}. "
        f"The sides took turns, {calls}."
    )
    yield ""
    yield _row(["side", *(f"batch {batch}" for batch in batches)])
    yield _row(["---"] * (1 + len(batches)))
    for side in dict.fromkeys(each["side"] for each in found):
        yield _row([side, *(cells[side, batch] for batch in batches)])


def _text(value: Any) -> str:
    """Write what somebody else named as Markdown, and as HTML, that shows it as it is."""
    shown = printable(" ".join(str(value).split()))
    return _MARKUP.sub(r"\\\g<0>", html.escape(shown, quote=False))


def _code(name: str) -> str:
    """Write a name as code, if it is a plain one."""
    return f"`{name}`" if _PLAIN.fullmatch(name) else _text(name)


def _row(cells: Iterable[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
