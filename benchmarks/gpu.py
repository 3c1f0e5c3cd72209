"""A training step on a GPU: cuDNN, the engine, Keras; with masks; against length. docs/gpu.md.

Each point is kept in docs/gpu.json as soon as it is measured, and not measured again. Delete the
file to begin anew.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from rich.progress import track

import custom_layers
from benchmarks import training
from benchmarks.grid import LAYERS
from benchmarks.tables import table
from benchmarks.timing import best_modes, machine, medians

BATCH, FEATURES = 64, 64
TIME, UNITS = 200, (128, 512)
ROUNDS, SECONDS = 30, 2.5  # at most, at each point
LENGTHS = (200, 2_000, 20_000)
LINEAR = ("MinGRU", "LRU")
MODES: dict[str, dict[str, Any]] = {"graph": {}, "jit": {"jit_compile": True}}
FILE = Path(__file__).parents[1] / "docs" / "gpu.json"

PAGE = """# On a GPU

Made by `python -m benchmarks.gpu`. {machine}. A training step (forward, backward, weight
gradients) in milliseconds, {features} features, float32; the sides take turns in one process, and
each number is a median.

## Layers

Batch {batch}, {time} steps. "ours" is what `custom_layers` computes by default: cuDNN's kernel for
LSTM, GRU and RNN, and the engine's loop for others. "engine" is the loop alone. Loops are the
better of graph mode and XLA.

{layers}

## Masks

Batch {batch}, {time} steps, {units} units, graph mode; half of the steps of a batch are real.
Where they do not stand in front, Keras's layers fail unless cuDNN is switched off, as it is here.

{masks}

## Length

Batch 1, {units} units, graph mode: linear recurrences go over all steps at once, GRU is cuDNN's.

{lengths}
"""


def main() -> None:
    """Measure the points that are missing, and write docs/gpu.md and .json."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        sys.exit("TensorFlow sees no GPU here; `recurrent doctor` says more")
    name = tf.config.experimental.get_device_details(gpus[0])["device_name"]
    kept: dict[str, Any] = (
        json.loads(FILE.read_text()) if FILE.exists() else {"machine": {"GPU": name, **machine()}}
    )
    for section, (measure, points) in SECTIONS.items():
        rows = kept.setdefault(section, {})
        for point in track(list(points), section.capitalize()):
            key = ", ".join(map(str, point))
            if key not in rows:
                rows[key] = measure(*point)
                FILE.write_text(json.dumps(kept, indent=1) + "\n")
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in kept["machine"].items()),
        batch=BATCH,
        time=TIME,
        units=UNITS[0],
        features=FEATURES,
        **{section: table(list(kept[section].values())) for section in SECTIONS},
    )
    FILE.with_suffix(".md").write_text(page, encoding="utf-8")
    print(page)


def _layer(name: str, units: int) -> dict[str, Any]:
    x = tf.random.normal([BATCH, TIME, FEATURES])
    mine, theirs = LAYERS[name]
    candidates: dict[str, Any] = {
        "ours": mine(units, return_sequences=True),
        "engine": mine(units, return_sequences=True, use_cudnn=False),
        "RNN(cell)": keras.layers.RNN(mine.cell_class(units), return_sequences=True),
    }
    if theirs is not None:
        candidates["Keras"] = theirs(units, return_sequences=True)
    times = best_modes(medians(_sides(candidates, x), ROUNDS, seconds=SECONDS))
    others = ("engine", "Keras", "RNN(cell)")
    return {
        "layer": name,
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


def _ratio(times: Mapping[str, float], other: str) -> float | str:
    return times[other] / times["ours"] if other in times else "-"


def _mask(name: str, where: str) -> dict[str, Any]:
    """Compare where the steps that are real stand at one place."""
    random = np.random.default_rng(0)
    front = np.arange(TIME) < random.integers(1, TIME, (BATCH, 1))
    masks = {
        "in front": front,
        "behind": front[:, ::-1],
        "anywhere": random.random(front.shape) < 0.5,
    }
    x = tf.random.normal([BATCH, TIME, FEATURES])
    mine, theirs = LAYERS[name]
    assert theirs is not None
    cudnn = "auto" if where == "in front" else False  # or else Keras fails
    layers = [
        mine(UNITS[0], return_sequences=True),
        theirs(UNITS[0], return_sequences=True, use_cudnn=cudnn),
    ]
    for layer in layers:
        layer.build(x.shape)
        layer.set_weights(layers[0].get_weights())
    steps = (training.step(layer, {}, x, tf.constant(masks[where])) for layer in layers)
    times = medians(dict(zip(("ours", "Keras"), steps, strict=True)), ROUNDS, seconds=SECONDS)
    return {
        "layer": name,
        "real steps": where,
        "ours, ms": times["ours"],
        "Keras, ms": times["Keras"],
        "Keras / ours": times["Keras"] / times["ours"],
    }


def _length(time: int) -> dict[str, Any]:
    x = tf.random.normal([1, time, FEATURES])
    sides = {}
    for name in (*LINEAR, "GRU"):
        layer = getattr(custom_layers, name)(UNITS[0], return_sequences=True)
        layer.build(x.shape)
        sides[name] = training.step(layer, {}, x)
    times = medians(sides, ROUNDS, seconds=SECONDS)
    ratios = {f"GRU / {name}": times["GRU"] / times[name] for name in LINEAR}
    return {"steps": time, **{f"{name}, ms": value for name, value in times.items()}, **ratios}


SECTIONS: dict[str, tuple[Callable[..., dict[str, Any]], Iterable[tuple[Any, ...]]]] = {
    "layers": (_layer, itertools.product(LAYERS, UNITS)),
    "masks": (_mask, itertools.product(("LSTM", "GRU"), ("in front", "behind", "anywhere"))),
    "lengths": (_length, zip(LENGTHS)),
}


if __name__ == "__main__":
    main()
