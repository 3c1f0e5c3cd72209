"""A training step on a GPU: cuDNN, the engine, Keras; with masks; against length. docs/gpu.md."""

import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from rich.progress import track

import custom_layers
from benchmarks import training
from benchmarks.timing import machine, medians, table
from custom_layers.layers import CellLayer

BATCH, FEATURES = 64, 64
SIZES = ((200, 128), (200, 512), (1000, 128))
LAYERS: dict[str, tuple[type[CellLayer], type[keras.layers.Layer] | None]] = {
    "LSTM": (custom_layers.LSTM, keras.layers.LSTM),
    "GRU": (custom_layers.GRU, keras.layers.GRU),
    "RNN": (custom_layers.RNN, keras.layers.SimpleRNN),
    "LayerNormLSTM": (custom_layers.LayerNormLSTM, None),
    "PeepholeLSTM": (custom_layers.PeepholeLSTM, None),
}
LENGTHS = (200, 2_000, 20_000)
LINEAR = ("MinGRU", "LRU")
MODES: dict[str, dict[str, Any]] = {"graph": {}, "jit": {"jit_compile": True}}
DOCS = Path(__file__).parents[1] / "docs"

PAGE = """# On a GPU

Made by `python -m benchmarks.gpu`. {machine}. A training step (forward, backward, weight
gradients) in milliseconds, {features} features, float32; the sides take turns in one process, and
each number is a median.

## Layers

Batch {batch}. "ours" is what `custom_layers` computes by default: cuDNN's kernel for LSTM, GRU and
RNN, and the engine's loop for others. "engine" is the loop alone. Loops are the better of graph
mode and XLA.

{layers}

## Masks

Batch {batch}, 200 steps, 128 units, graph mode; half of the steps of a batch are real.

{masks}

## Length

Batch 1, 128 units, graph mode: linear recurrences go over all steps at once, cuDNN step by step.

{lengths}
"""


def main() -> None:
    """Measure everything, and write docs/gpu.md and .json."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        sys.exit("TensorFlow sees no GPU here; `recurrent doctor` says more")
    points = list(itertools.product(LAYERS, SIZES))
    figures: dict[str, Any] = {
        "machine": {
            "GPU": tf.config.experimental.get_device_details(gpus[0])["device_name"],
            **machine(),
        },
        "layers": [_layer(name, *size) for name, size in track(points, "Layers")],
        "masks": list(track(_masks(), "Masks", 6)),
        "lengths": list(track(_lengths(), "Lengths", len(LENGTHS))),
    }
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in figures["machine"].items()),
        batch=BATCH,
        features=FEATURES,
        **{name: table(figures[name]) for name in ("layers", "masks", "lengths")},
    )
    (DOCS / "gpu.md").write_text(page, encoding="utf-8")
    (DOCS / "gpu.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(page)


def _layer(name: str, time: int, units: int) -> dict[str, Any]:
    x = tf.random.normal([BATCH, time, FEATURES])
    mine, theirs = LAYERS[name]
    candidates: dict[str, Any] = {
        "ours": mine(units, return_sequences=True),
        "engine": mine(units, return_sequences=True, use_cudnn=False),
        "RNN(cell)": keras.layers.RNN(mine.cell_class(units), return_sequences=True),
    }
    if theirs is not None:
        candidates["Keras"] = theirs(units, return_sequences=True)
    times = _best(medians(_sides(candidates, x), rounds=40, seconds=6))
    others = ("engine", "Keras", "RNN(cell)")
    return {
        "layer": name,
        "steps": time,
        "units": units,
        "ours, ms": times["ours"],
        **{f"{other}, ms": times.get(other, "-") for other in others},
        **{f"{other} / ours": _ratio(times, other) for other in others},
    }


def _sides(candidates: Mapping[str, Any], x: tf.Tensor) -> dict[str, Callable[[], Any]]:
    """Make the training steps of each, under XLA too where its kernels allow that."""
    sides = {}
    for name, layer in candidates.items():
        layer.build(x.shape)
        layer.set_weights(candidates["ours"].get_weights())
        for mode, options in MODES.items():
            if mode == "graph" or layer.supports_jit:
                sides[f"{name}, {mode}"] = training.step(layer, options, x)
    return sides


def _best(times: Mapping[str, float]) -> dict[str, float]:
    best: dict[str, float] = {}
    for side, value in times.items():
        name, _, _ = side.partition(",")
        best[name] = min(value, best.get(name, math.inf))
    return best


def _ratio(times: Mapping[str, float], other: str) -> float | str:
    return times[other] / times["ours"] if other in times else "-"


def _masks() -> Iterator[dict[str, Any]]:
    """Compare where the steps that are real stand in front, behind, and anywhere."""
    random = np.random.default_rng(0)
    time, units = SIZES[0]
    x = tf.random.normal([BATCH, time, FEATURES])
    front = np.arange(time) < random.integers(1, time, (BATCH, 1))
    masks = {
        "in front": front,
        "behind": front[:, ::-1],
        "anywhere": random.random(x.shape[:2]) < 0.5,
    }
    for name, (where, mask) in itertools.product(("LSTM", "GRU"), masks.items()):
        layers = [layer(units, return_sequences=True) for layer in LAYERS[name] if layer]
        for layer in layers:
            layer.build(x.shape)
            layer.set_weights(layers[0].get_weights())
        ours, theirs = (training.step(layer, {}, x, tf.constant(mask)) for layer in layers)
        times = medians({"ours": ours, "Keras": theirs}, rounds=40, seconds=6)
        yield {
            "layer": name,
            "real steps": where,
            "ours, ms": times["ours"],
            "Keras, ms": times["Keras"],
            "Keras / ours": times["Keras"] / times["ours"],
        }


def _lengths() -> Iterator[dict[str, Any]]:
    for time in LENGTHS:
        x = tf.random.normal([1, time, FEATURES])
        sides = {}
        for name in (*LINEAR, "GRU"):
            layer = getattr(custom_layers, name)(SIZES[0][1], return_sequences=True)
            layer.build(x.shape)
            sides[name] = training.step(layer, {}, x)
        times = medians(sides, rounds=40, seconds=6)
        ratios = {f"GRU / {name}": times["GRU"] / times[name] for name in LINEAR}
        yield {"steps": time, **{f"{name}, ms": value for name, value in times.items()}, **ratios}


if __name__ == "__main__":
    main()
