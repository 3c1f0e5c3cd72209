"""One model in every format beside Keras's own ONNX export: docs/formats.md and .json."""

import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from rich.progress import track

from benchmarks.tables import table
from benchmarks.timing import machine, medians
from exports import declared, formats
from exports.endpoints.model import Model
from exports.formats.onnx import session
from exports.signature import Run

TIME, FEATURES, WORDS = 200, 64, 20_000
LAYERS = {
    "GRU": keras.layers.GRU,
    "LSTM": keras.layers.LSTM,
    "SimpleRNN": keras.layers.SimpleRNN,
    "Bidirectional LSTM": lambda units: keras.layers.Bidirectional(keras.layers.LSTM(units)),
}
UNITS, BATCHES = (32, 128, 512), (1, 8, 32)
ROUNDS, SECONDS = 60, 1.5
DOCS = Path(__file__).parents[1] / "docs"

PAGE = """# Formats

Made by `make bench`. {machine}.

Token ids `[batch, {time}]`, embedding of {features} with `mask_zero`, a layer of Keras, a dense
layer: in our files, and in the ONNX file of `keras.Model.export`. Milliseconds a call, medians; the
sides take turns. "One" and "all" are threads. The ratio is Keras's export divided by our ONNX file,
each with the number of threads that is faster for it, as `Predictor` chooses.

{all}

## In blocks and in turn

Batch 1. In blocks, a side makes 20 calls one after the other, as on a server that runs one model;
in turn, each call follows one of another side, whose data is in the processor's caches.

{calls}
"""


def main() -> None:
    """Measure every layer, and write docs/formats.md and .json."""
    count = len(LAYERS) * len(UNITS)
    pairs = list(track(_pairs(), "Formats", count))
    figures: dict[str, Any] = {
        "machine": {**machine(), "ai-edge-litert": version("ai-edge-litert")},
        "all": list(itertools.chain(*(rows for rows, _ in pairs))),
        "calls": list(itertools.chain(*(rows for _, rows in pairs))),
    }
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in figures["machine"].items()),
        time=TIME,
        features=FEATURES,
        all=table(figures["all"]),
        calls=table(figures["calls"]),
    )
    (DOCS / "formats.md").write_text(page, encoding="utf-8")
    (DOCS / "formats.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(page)


def _pairs() -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    for (name, layer), units in itertools.product(LAYERS.items(), UNITS):
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        embedded = keras.layers.Embedding(WORDS, FEATURES, mask_zero=True)(tokens)
        model = keras.Model(tokens, keras.layers.Dense(2, name="label")(layer(units)(embedded)))
        with tempfile.TemporaryDirectory() as directory:
            runs = _runs(model, Path(directory))
        row = {"masked layer": name, "units": units}
        rows = [{**row, **_measured(runs, batch)} for batch in BATCHES]
        calls = [
            {**row, "calls": kind, **_ratio(_times(runs, 1, calls))}
            for kind, calls in (("in blocks", 20), ("in turn", 1))
        ]
        yield rows, calls


def _runs(model: keras.Model, directory: Path) -> dict[str, Run]:
    """Write the model in every format, and load it with one thread and with all."""
    endpoint = Model(declared.signature(model), model)
    runs: dict[str, Run] = {}
    for name, threads in {"onnx": (1, 0), "litert": (1,), "saved_model": (None,)}.items():
        format = formats.get(name)
        format.write([endpoint], directory, {})
        for count in threads:
            label = {1: ", one", 0: ", all", None: ""}[count]
            read = partial(format.read, directory, "model", endpoint.signature)
            runs[f"{name}{label}"] = read(threads=count)
    model(np.ones((1, TIME), "int32"))
    model.export(str(directory / "keras.onnx"), format="onnx", verbose=False)
    runs["Keras's export, one"] = session.read(directory / "keras.onnx", 1)
    runs["Keras's export, all"] = session.read(directory / "keras.onnx")
    return runs


def _times(runs: dict[str, Run], batch: int, calls: int) -> dict[str, float]:
    tokens = np.random.default_rng(0).integers(1, WORDS, (batch, TIME), "int32")
    sides = {name: partial(run, {"tokens": tokens}) for name, run in runs.items()}
    return medians(sides, ROUNDS, calls=calls, seconds=SECONDS)


def _measured(runs: dict[str, Run], batch: int) -> dict[str, Any]:
    times = _times(runs, batch, 10 if batch == 1 else 3)
    return {"batch": batch, **times, **_ratio(times)}


def _ratio(times: dict[str, float]) -> dict[str, float]:
    """Divide Keras's export by ours: with one thread, with all, and with the faster of them."""
    ratios = {
        kind: times[f"Keras's export, {kind}"] / times[f"onnx, {kind}"] for kind in ("one", "all")
    }
    best = {
        side: min(times[f"{side}, one"], times[f"{side}, all"])
        for side in ("Keras's export", "onnx")
    }
    return {
        **{f"Keras / ours, {kind}": ratio for kind, ratio in ratios.items()},
        "Keras / ours": best["Keras's export"] / best["onnx"],
    }


if __name__ == "__main__":
    main()
