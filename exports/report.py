"""What the artifact says about itself: `report.json` for programs, a model card for people."""

import html
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import onnx
import onnxruntime
import tensorflow as tf

from exports import artifact, onnx_graph
from exports.errors import printable
from exports.parity import Parity
from exports.schema import Config
from exports.signature import Lengths, State

# What Markdown reads as more than a letter; an underscore between letters is one.
_MARKUP = re.compile(r"[\\`*\[\]|~$@#!]|(?<![^\W_])_|_(?![^\W_])|^[-+]|(?<=\d)[.)](?=\s|$)")
_PLAIN = re.compile(r"[\w./:-]+")


def write(
    directory: Path,
    name: str,
    settings: Config,
    proofs: Mapping[str, Parity],
    labels: Sequence[str] | None,
    card: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> None:
    """Write `report.json` and the model card into an artifact's directory.

    Args:
        directory: of the artifact.
        name: of the model.
        settings: what `config.json` says.
        proofs: of the formats, as `proof.of_artifact` returns them.
        labels: name of each class.
        card: what the card says beside what is measured, by heading.
        measured: the `small` forms, if there are any, and the `latency`.
    """
    paths = {name: directory / artifact.FORMATS[name] for name in settings.formats}
    content: dict[str, Any] = {
        "model": name,
        "sizes": {name: artifact.size(path) for name, path in paths.items()},
        "opset": None,
        "operators": None,
        "versions": {
            module.__name__: module.__version__ for module in (keras, onnx, onnxruntime, tf)
        },
        "card": dict(card),
        **measured,
    }
    if "onnx" in paths:
        graph = onnx.load(paths["onnx"])
        content["opset"] = graph.opset_import[0].version
        content["operators"] = onnx_graph.operators(graph)
        content["recurrent_layers"] = onnx_graph.recurrent_layers(graph)
    artifact.write_json(directory / artifact.REPORT, content)
    text = _card(content, settings, proofs, labels)
    (directory / artifact.README).write_text(text, encoding="utf-8")


def _card(
    content: Mapping[str, Any],
    settings: Config,
    proofs: Mapping[str, Parity],
    labels: Sequence[str] | None,
) -> str:
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
    lines += [
        "",
        "## Parity with Keras",
        "",
        f"Over {sum(len(each.cases) for each in proofs.values())} cases; every number within the "
        "tolerance in `parity.json`.",
        "",
        "| format | bytes | largest difference | ULP | labels equal on real data |",
        "|---|---|---|---|---|",
    ]
    for name, found in itertools.chain(*(each.differences.items() for each in proofs.values())):
        lines.append(
            f"| {_text(name)} | {content['sizes'].get(name, '')} | {found.absolute:.2g} "
            f"| {found.ulp} | {found.labels_equal} of {found.labels_compared} |"
        )
    if content["operators"] is not None:
        counts = ", ".join(f"{count} {name}" for name, count in content["operators"].items())
        lines += ["", f"ONNX opset {content['opset']}, operators: {counts}.", ""]
        became = content["recurrent_layers"].items()
        lines += [f"- the recurrent layer {_code(layer)} is a {form}" for layer, form in became]
    if settings.states:
        lines += ["", "## Streaming", "", *_streaming(settings.states)]
    if content["small"] is not None:
        lines += ["", "## Smaller forms", "", *_small(content["small"])]
    lines += ["", "## Latency", "", *_latency(content["latency"])]
    lines += ["", "## Use", "", *_usage(settings), ""]
    return "\n".join(lines)


def _lengths(lengths: Mapping[str, Lengths]) -> Iterator[str]:
    """Say how long the axes may be."""
    for axis, each in lengths.items():
        proved, minimum = each.proved, each.minimum
        shorter = f"; Keras takes no fewer than {minimum}" if minimum else ""
        yield f"- `{axis}`: compared on lengths from {proved[0]} to {proved[-1]}{shorter}"


def _streaming(states: Sequence[State]) -> Iterator[str]:
    """Say how a sequence is fed in chunks."""
    yield (
        f"`{artifact.STEP}`, and the signature `serving_step` of the SavedModel, take a chunk of a "
        "sequence of any length and the states to go on from. A sequence begins with zeros; what "
        "comes out under the second name goes in under the first with the next chunk."
    )
    yield ""
    for state in states:
        shape = " x ".join(str(size or "any") for size in state.shape)
        yield f"- {_code(state.name)}, {_code(state.next)}: {shape}, {state.dtype}"


def _small(small: Mapping[str, Any]) -> Iterator[str]:
    """Lay out the small forms of the ONNX file beside it."""
    forms = small["forms"]
    figures = list(forms["float32"]["figures"])
    names = list(map(_text, figures))
    columns = ["form", "file", "bytes", *names, *(f"drop of {name}" for name in names)]
    yield (
        f"No figure may be worse than that of float32 by more than {small['max_drop']:g}. The "
        "largest difference is that of any output from float32."
    )
    yield ""
    yield _row([*columns, "largest difference"])
    yield _row(["---"] * (len(columns) + 1))
    for name, form in forms.items():
        path = artifact.SMALL.get(name, artifact.ONNX)
        scores = [*form["figures"].values(), *form["drops"].values()]
        shown = [f"{score:.4f}" for score in scores]
        yield _row([name, f"`{path}`", form["bytes"], *shown, f"{form['difference']:.2g}"])
    yield ""
    for name in list(forms)[1:]:
        sizes = [f"{operator} {size}" for operator, size in forms[name]["in_float32"].items()]
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


def _usage(settings: Config) -> list[str]:
    names = [array.name for array in settings.inputs]
    lines = [
        "Check the files with `sha256sum --check MANIFEST.sha256`. A batch has at least one row: "
        "ONNX Runtime's recurrent operators crash on none."
    ]
    if "onnx" in settings.formats:
        fed = ", ".join(f'"{name}": {name}' for name in names)
        lines += [
            "",
            "```python",
            "import onnxruntime",
            f'session = onnxruntime.InferenceSession("{artifact.ONNX}")',
            f"outputs = session.run(None, {{{fed}}})",
            "```",
            "",
            "In Node, with the package `onnxruntime-node`, in a file `.mjs`:",
            "",
            "```js",
            'import { readFile } from "node:fs/promises";',
            'import ort from "onnxruntime-node";',
            f'const request = JSON.parse(await readFile("{artifact.REQUEST}"));',
            *_javascript(settings),
            "```",
            "",
            "In a browser, with the package `onnxruntime-web` and these files beside the page:",
            "",
            "```js",
            'import * as ort from "onnxruntime-web";',
            f'const request = await (await fetch("{artifact.REQUEST}")).json();',
            *_javascript(settings),
            "```",
        ]
        if settings.text is not None:
            lines += [
                "",
                "```python",
                "import onnxruntime",
                f'session = onnxruntime.InferenceSession("{artifact.TEXT_ONNX}")',
                'outputs = session.run(None, {"text": ["a text"]})',
                "```",
            ]
    if "saved_model" in settings.formats:
        fed = ", ".join(f"{name}={name}" for name in names)
        lines += [
            "",
            "```python",
            "import tensorflow as tf",
            f'model = tf.saved_model.load("{artifact.SAVED_MODEL}")',
            f'outputs = model.signatures["serving_default"]({fed})',
        ]
        if settings.text is not None:
            text = 'tf.constant(["a text"])'
            lines.append(f'outputs = model.signatures["serving_text"](text={text})')
        lines.append("```")
    if "onnx" in settings.formats:
        lines += ["", f"`{artifact.TRITON}/` is a model repository for Triton Inference Server."]
    return lines


def _javascript(settings: Config) -> Iterator[str]:
    """Run the recorded examples in JavaScript, where `ort` and `request` are known."""
    tensors = ", ".join(
        f'{array.name}: tensor("{array.dtype}", request.{array.name})' for array in settings.inputs
    )
    yield "const shape = (rows) => (Array.isArray(rows) ? [rows.length, ...shape(rows[0])] : []);"
    yield "const tensor = (type, rows) => new ort.Tensor(type, rows.flat(Infinity), shape(rows));"
    yield f'const session = await ort.InferenceSession.create("{artifact.ONNX}");'
    yield f"const outputs = await session.run({{ {tensors} }});"
    yield f"console.log(outputs[{json.dumps(settings.outputs[0].name)}].data);"
