"""Our LiteRT files beside those of `keras.Model.export`, written to docs/litert.md and .json."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from rich.progress import track
from tensorflow.lite.python.convert_phase import ConverterError
from tensorflow.lite.tools import flatbuffer_utils

import custom_layers
from benchmarks.tables import table
from benchmarks.timing import machine, medians
from exports import declared
from exports.errors import reason
from exports.formats.litert import conversion, session

TIME, UNITS, FEATURES, WORDS = 200, 128, 64, 20_000
LAYERS: dict[str, Callable[[], keras.layers.Layer]] = {
    "LSTM": lambda: keras.layers.LSTM(UNITS),
    "GRU": lambda: keras.layers.GRU(UNITS),
    "GRU, every step": lambda: keras.layers.GRU(UNITS, return_sequences=True),
    "Bidirectional GRU": lambda: keras.layers.Bidirectional(keras.layers.GRU(UNITS)),
    "MinGRU": lambda: custom_layers.MinGRU(UNITS),
}
PRECISIONS = ("float32", "float16", "int8")
DOCS = Path(__file__).parents[1] / "docs"

PAGE = """# LiteRT

Made by `make bench`. {machine}.

Token ids `[1, {time}]`, embedding of {features}, layer of {units} units, dense layer; one thread.
Ours is one file for any batch and length, of builtin operators alone, in the `ai-edge-litert`
interpreter. LSTM, GRU and Bidirectional are Keras's layers on all sides.
"Keras's export" is `model.export(path, format="litert")`; where its file holds Flex operators,
neither `ai-edge-litert` nor the interpreter inside TensorFlow 2.21 runs it. "Fixed" is Keras's
model for one row of {time} steps, converted by hand with builtin operators alone, because a free
batch fails. The sides take turns of {calls} calls on a shared machine; medians. Difference: largest
distance from Keras's output.

{layers}

## Precision

Masked layers, ours; the weights in 16 or 8 bits.

{precisions}
"""
CALLS, ROUNDS = 20, 8
TOKENS = np.random.default_rng(0).integers(1, WORDS, (1, TIME), "int32")


class File(NamedTuple):
    """A converted model: its bytes, and how it is run, unless an error says why it cannot be."""

    content: bytes = b""
    run: Callable[[], np.ndarray] | None = None
    error: str = ""


def main() -> None:
    """Measure every layer, and write docs/litert.md and .json."""
    count = 2 * len(LAYERS)
    figures: dict[str, Any] = {
        "machine": {**machine(), "ai-edge-litert": version("ai-edge-litert")},
        "layers": list(track(_layers(), "Layers", count)),
        "precisions": list(track(_precisions(), "Precision", len(LAYERS) * len(PRECISIONS))),
    }
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in figures["machine"].items()),
        time=TIME,
        features=FEATURES,
        units=UNITS,
        calls=CALLS,
        layers=table(figures["layers"]),
        precisions=table(figures["precisions"]),
    )
    (DOCS / "litert.md").write_text(page, encoding="utf-8")
    (DOCS / "litert.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(page)


def _layers() -> Iterator[dict[str, Any]]:
    for name, layer in LAYERS.items():
        for masked in (False, True):
            model = _model(layer(), masked, batch=None, time=None)
            fixed = _model(layer(), masked, batch=1, time=TIME)
            fixed.set_weights(model.get_weights())
            files = {
                "ours": _ours(model, "float32"),
                "Keras's export": _exported(model),
                "fixed": _fixed(fixed),
            }
            times = _times(files)
            ours, theirs = files["ours"], files["Keras's export"]
            yield {
                "layer": name,
                "mask": "yes" if masked else "no",
                "ours, ms": times["ours"],
                "ours, kB": len(ours.content) / 1000,
                "difference": _difference(ours, model),
                "Keras's export, kB": len(theirs.content) / 1000,
                "its Flex operators": ", ".join(_flex(theirs.content)) or "none",
                "fixed, ms": times["fixed"],
                "fixed, kB": len(files["fixed"].content) / 1000 or "",
            }


def _precisions() -> Iterator[dict[str, Any]]:
    for name, layer in LAYERS.items():
        model = _model(layer(), masked=True, batch=None, time=None)
        files = {precision: _ours(model, precision) for precision in PRECISIONS}
        times = _times(files)
        for precision, file in files.items():
            yield {
                "layer": name,
                "weights": precision,
                "ms": times[precision],
                "kB": len(file.content) / 1000,
                "difference": _difference(file, model),
            }


def _model(
    layer: keras.layers.Layer, masked: bool, batch: int | None, time: int | None
) -> keras.Model:
    tokens = keras.Input((time,), batch_size=batch, dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(WORDS, FEATURES, mask_zero=masked)(tokens)
    return keras.Model(tokens, keras.layers.Dense(2, name="label")(layer(embedded)))


def _ours(model: keras.Model, precision: str) -> File:
    content = conversion.convert(model, declared.signature(model), precision=precision)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.tflite")
        path.write_bytes(content)
        run = session.read(path, threads=1)
    return File(content, lambda: run({"tokens": TOKENS})["label"])


def _exported(model: keras.Model) -> File:
    model(TOKENS)  # else it "has never been called"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.tflite")
        model.export(str(path), format="litert", verbose=False)
        return _read(path.read_bytes())


def _fixed(model: keras.Model) -> File:
    function = tf.function(lambda tokens: model(tokens, training=False), autograph=False)
    concrete = function.get_concrete_function(tf.TensorSpec((1, TIME), "int32"))
    try:
        with session.quiet():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            content = converter.convert()
    except ConverterError as error:
        return File(error=reason(error).rpartition("error: ")[2])
    return _read(content)


def _read(content: bytes) -> File:
    interpreter = Interpreter(model_content=content, num_threads=1)
    (tokens,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run() -> np.ndarray:
        interpreter.set_tensor(tokens["index"], TOKENS)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    try:
        interpreter.resize_tensor_input(tokens["index"], TOKENS.shape)
        interpreter.allocate_tensors()
        run()
    except RuntimeError as error:
        return File(content, error=reason(error))
    return File(content, run)


def _times(files: Mapping[Any, File]) -> dict[str, Any]:
    """Return the milliseconds of each file that runs, and the error of each that does not."""
    runs = {name: file.run for name, file in files.items() if file.run is not None}
    times = medians(runs, ROUNDS, calls=CALLS)
    return {name: times.get(name, file.error) for name, file in files.items()}


def _difference(file: File, model: keras.Model) -> float:
    assert file.run is not None
    expected = model.predict(TOKENS, verbose=0)
    return float(np.abs(file.run() - expected).max())


def _flex(content: bytes) -> list[str]:
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    codes = (each.customCode for each in model.operatorCodes if each.customCode)
    return [code.decode().removeprefix("Flex") for code in codes]


if __name__ == "__main__":
    main()
