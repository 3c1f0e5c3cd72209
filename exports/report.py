"""What the artifact says about itself: `report.json` for programs, a model card for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import onnx
import onnxruntime
import tensorflow as tf

from exports import artifact, onnx_graph
from exports.parity import Parity


def write(
    directory: Path,
    name: str,
    settings: Mapping[str, Any],
    parity: Parity,
    labels: Sequence[str] | None,
    card: Mapping[str, Any],
) -> None:
    """Write `report.json` and the model card into an artifact's directory."""
    paths = {name: directory / artifact.FORMATS[name] for name in settings["formats"]}
    content: dict[str, Any] = {
        "model": name,
        "sizes": {name: artifact.size(path) for name, path in paths.items()},
        "operators": None,
        "versions": {
            module.__name__: module.__version__ for module in (keras, onnx, onnxruntime, tf)
        },
        "card": dict(card),
    }
    if "onnx" in paths:
        graph = onnx.load(paths["onnx"])
        content["operators"] = onnx_graph.operators(graph)
        content["recurrent_layers"] = onnx_graph.recurrent_layers(graph)
    artifact.write_json(directory / artifact.REPORT, content)
    text = _card(content, settings, parity, labels)
    (directory / artifact.README).write_text(text, encoding="utf-8")


def _card(
    content: Mapping[str, Any],
    settings: Mapping[str, Any],
    parity: Parity,
    labels: Sequence[str] | None,
) -> str:
    lines = [f"# {content['model']}", ""]
    lines += [f"- {heading}: {value}" for heading, value in content["card"].items()]
    if labels is not None:
        lines += [f"- labels, in order: {', '.join(labels)}"]
    lines += ["", "## Inputs and outputs", "", "| | name | shape | type |", "|---|---|---|---|"]
    for end in ("inputs", "outputs"):
        for array in settings[end]:
            shape = " x ".join(str(size or "any") for size in array["shape"])
            lines.append(f"| {end[:-1]} | `{array['name']}` | {shape} | {array['dtype']} |")
    lines += [
        "",
        f"## Parity with {parity.reference}",
        "",
        f"Over {len(parity.cases)} cases; every number within the tolerance in `parity.json`.",
        "",
        "| format | bytes | largest difference | ULP | labels equal on real data |",
        "|---|---|---|---|---|",
    ]
    for name, difference in parity.differences.items():
        lines.append(
            f"| {name} | {content['sizes'][name]} | {difference.absolute:.2g} | {difference.ulp} "
            f"| {difference.labels_equal} of {difference.labels_compared} |"
        )
    if content["operators"] is not None:
        counts = ", ".join(f"{count} {name}" for name, count in content["operators"].items())
        lines += ["", f"ONNX operators: {counts}.", ""]
        became = content["recurrent_layers"].items()
        lines += [f"- the recurrent layer `{layer}` is a {form}" for layer, form in became]
    lines += ["", "## Use", "", *_usage(settings), ""]
    return "\n".join(lines)


def _usage(settings: Mapping[str, Any]) -> list[str]:
    names = [array["name"] for array in settings["inputs"]]
    lines = [
        "Check the files with `sha256sum --check MANIFEST.sha256`. A batch has at least one row: "
        "ONNX Runtime's recurrent operators crash on none."
    ]
    if "onnx" in settings["formats"]:
        fed = ", ".join(f'"{name}": {name}' for name in names)
        lines += [
            "",
            "```python",
            "import onnxruntime",
            f'session = onnxruntime.InferenceSession("{artifact.ONNX}")',
            f"outputs = session.run(None, {{{fed}}})",
            "```",
        ]
        if settings["text"] is not None:
            lines += [
                "",
                "```python",
                "import onnxruntime",
                f'session = onnxruntime.InferenceSession("{artifact.TEXT_ONNX}")',
                'outputs = session.run(None, {"text": ["a text"]})',
                "```",
            ]
    if "saved_model" in settings["formats"]:
        fed = ", ".join(f"{name}={name}" for name in names)
        lines += [
            "",
            "```python",
            "import tensorflow as tf",
            f'model = tf.saved_model.load("{artifact.SAVED_MODEL}")',
            f'outputs = model.signatures["serving_default"]({fed})',
        ]
        if settings["text"] is not None:
            text = 'tf.constant(["a text"])'
            lines.append(f'outputs = model.signatures["serving_text"](text={text})')
        lines.append("```")
    return lines
