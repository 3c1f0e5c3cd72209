"""Forward and training step over a grid of sizes, against Keras, `keras.layers.RNN` and the floor.

Each point is kept in docs/grid.json as soon as it is measured, and not measured again: the whole
grid takes hours. Delete the file to begin anew.
"""

import itertools
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from rich.progress import track

import custom_layers
from benchmarks import picture
from benchmarks.tables import table
from benchmarks.timing import best_modes, machine, medians
from custom_layers.layers import CellLayer

BATCHES, TIMES, UNITS, FEATURES = (32, 1, 256), (200, 50, 1000), (128, 512, 32), 64
LAYERS: dict[str, tuple[type[CellLayer], type[keras.layers.Layer] | None]] = {
    "LSTM": (custom_layers.LSTM, keras.layers.LSTM),
    "GRU": (custom_layers.GRU, keras.layers.GRU),
    "RNN": (custom_layers.RNN, keras.layers.SimpleRNN),
    "LayerNormLSTM": (custom_layers.LayerNormLSTM, None),
    "PeepholeLSTM": (custom_layers.PeepholeLSTM, None),
}
ROUNDS, SECONDS = 60, 4.0  # at most, at each point
FILE = Path(__file__).parents[1] / "docs" / "grid.json"

PAGE = """# The grid

Made by `make bench`. {machine}. Milliseconds, medians of rounds in which the sides take turns in
one process; {features} features, float32. Each side is the better of graph mode and XLA. "floor"
is the matrix products alone: input projection, one product a step, and for a training step the
products with the transposed matrix and the weight gradients.

{summary}

## Points

{points}
"""


def main() -> None:
    """Measure the points that are missing, then write the page."""
    kept: dict[str, Any] = (
        json.loads(FILE.read_text()) if FILE.exists() else {"machine": machine(), "points": []}
    )
    done = {_key(point) for point in kept["points"]}
    wanted = [
        dict(zip(("layer", "pass", "batch", "time", "units"), each, strict=True))
        for each in itertools.product(LAYERS, ("training", "forward"), BATCHES, TIMES, UNITS)
    ]
    wanted.sort(key=_cost)
    for point in track([each for each in wanted if _key(each) not in done], "Grid"):
        kept["points"].append({**point, **measure(**_arguments(point))})
        FILE.write_text(json.dumps(kept, indent=1) + "\n")
    write(kept)


def write(kept: Mapping[str, Any]) -> None:
    """Write docs/grid.md and .svg from the points."""
    points = [_ratios(point) for point in kept["points"]]
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in kept["machine"].items()),
        features=FEATURES,
        summary=table(list(_summary(points))),
        points=table(points),
    )
    FILE.with_suffix(".md").write_text(page, encoding="utf-8")
    picture.draw_grid(points, FILE.with_suffix(".svg"))
    print(page)


def measure(layer: str, training: bool, batch: int, time: int, units: int) -> dict[str, float]:
    """Return the milliseconds of each side at one point."""
    x = tf.random.normal([batch, time, FEATURES])
    mine, theirs = LAYERS[layer]
    ours = mine(units, return_sequences=True)
    ours.build(x.shape)
    others = {"RNN(cell)": keras.layers.RNN(mine.cell_class(units), return_sequences=True)}
    if theirs is not None:
        others["Keras"] = theirs(units, return_sequences=True)
    for other in others.values():
        other.build(x.shape)
        other.set_weights(ours.get_weights())
    sides = {
        f"{name}, {mode}": _call(each, x, training, jit_compile=mode == "jit")
        for name, each in {"ours": ours, **others}.items()
        for mode in ("graph", "jit")
    }
    gates = ours.cell.kernel.shape[1] // units
    for mode in ("graph", "jit"):
        sides[f"floor, {mode}"] = _floor(x, units, gates, training, jit_compile=mode == "jit")
    if find_spec("torch") and layer in ("LSTM", "GRU", "RNN"):
        sides["torch"] = _torch(layer, x, units, training)
    return best_modes(medians(sides, ROUNDS, seconds=SECONDS))


def _call(layer: Any, x: tf.Tensor, training: bool, jit_compile: bool) -> Callable[[], Any]:
    weights = [variable.value for variable in layer.trainable_variables]

    @tf.function(autograph=False, jit_compile=jit_compile)
    def forward(x: tf.Tensor) -> Any:
        return layer(x, training=False)

    @tf.function(autograph=False, jit_compile=jit_compile)
    def step(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x, training=True)))
        return tape.gradient(loss, weights)

    function = step if training else forward
    return lambda: [tensor.numpy() for tensor in tf.nest.flatten(function(x))]


def _floor(
    x: tf.Tensor, units: int, gates: int, training: bool, jit_compile: bool
) -> Callable[[], Any]:
    kernel = tf.random.normal([FEATURES, gates * units])
    recurrent = tf.random.normal([units, gates * units]) / units
    transposed = tf.transpose(recurrent)
    batch, time, _ = x.shape

    def chain(value: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
        def advance(turn: tf.Tensor, value: tf.Tensor) -> Any:
            product = tf.matmul(value, matrix)
            if matrix is transposed:
                return turn + 1, tf.tile(product, [1, gates])
            # A sum of the gates, because XLA would not compute those that a slice leaves out.
            return turn + 1, tf.reduce_sum(tf.reshape(product, [batch, gates, units]), axis=1)

        return tf.while_loop(lambda turn, _: turn < time, advance, (0, value))[1]

    @tf.function(autograph=False, jit_compile=jit_compile)
    def products(x: tf.Tensor) -> list[tf.Tensor]:
        projected = tf.matmul(tf.reshape(x, [-1, FEATURES]), kernel)
        results = [projected, chain(tf.zeros([batch, units]), recurrent)]
        if training:
            results.append(chain(tf.zeros([batch, gates * units]), transposed))
            results.append(tf.matmul(tf.reshape(x, [-1, FEATURES]), projected, transpose_a=True))
            states = projected[:, :units]
            results.append(tf.matmul(states, projected, transpose_a=True))
        return results

    return lambda: [tensor.numpy() for tensor in products(x)]


def _torch(layer: str, x: tf.Tensor, units: int, training: bool) -> Callable[[], Any]:
    import torch

    module = getattr(torch.nn, layer)(FEATURES, units, batch_first=True)
    inputs = torch.from_numpy(x.numpy())

    def forward() -> Any:
        with torch.no_grad():
            return module(inputs)[0]

    def step() -> Any:
        module.zero_grad()
        module(inputs)[0].square().mean().backward()
        return module.weight_hh_l0.grad

    return step if training else forward


def _arguments(point: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {name: point[name] for name in ("layer", "batch", "time", "units")}
    return {**sizes, "training": point["pass"] == "training"}


def _key(point: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(point[name] for name in ("layer", "pass", "batch", "time", "units"))


def _cost(point: Mapping[str, Any]) -> tuple[Any, ...]:
    """Order the points so that an interrupted grid is of use: cheap ones and training first."""
    work = point["batch"] * point["time"] * point["units"] * (FEATURES + point["units"])
    layer = [*LAYERS].index(point["layer"])
    return (work > 1e10, point["time"] == 1000, point["pass"] == "forward", layer, work)


def _ratios(point: Mapping[str, Any]) -> dict[str, Any]:
    """Add how many times ours takes the others, and how often ours takes the floor."""
    ours = point["ours"]
    keys = ("layer", "pass", "batch", "time", "units", "ours")
    row = {name: point[name] for name in keys}
    for side in ("Keras", "RNN(cell)", "torch"):
        row[f"{side} / ours"] = point[side] / ours if side in point else "-"
    row["ours / floor"] = ours / point["floor"]
    return row


def _summary(points: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Geometric means, and the worst point, of each layer and pass."""
    for layer, direction in itertools.product(LAYERS, ("forward", "training")):
        rows = [p for p in points if (p["layer"], p["pass"]) == (layer, direction)]
        if not rows:
            continue
        summary: dict[str, Any] = {"layer": layer, "pass": direction, "points": len(rows)}
        for side in ("Keras / ours", "RNN(cell) / ours", "torch / ours"):
            values = [row[side] for row in rows if row[side] != "-"]
            summary[side] = math.exp(sum(map(math.log, values)) / len(values)) if values else "-"
        known = [row["Keras / ours"] for row in rows if row["Keras / ours"] != "-"]
        summary["worst Keras / ours"] = min(known, default="-")
        wide = [row["ours / floor"] for row in rows if row["units"] >= 128]
        summary["worst ours / floor from 128 units"] = max(wide, default="-")
        yield summary


if __name__ == "__main__":
    main()
