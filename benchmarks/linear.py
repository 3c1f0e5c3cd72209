"""Time and memory of a training step against its length: all steps at once, and in a loop."""

import json
from pathlib import Path
from typing import Any

from rich.progress import track

from benchmarks import footprint, picture
from benchmarks.tables import table
from benchmarks.timing import machine

BATCH, UNITS = 1, 128
LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000)
SIDES = {
    "MinGRU, at once": ("custom_layers:MinGRU", False),
    "MinGRU, in a loop": ("custom_layers:MinGRU", True),
    "LRU, at once": ("custom_layers:LRU", False),
    "GRU, in a loop": ("custom_layers:GRU", False),
}
PAIRS = {
    "LSTM": ("custom_layers:LSTM", "keras.layers:LSTM"),
    "GRU": ("custom_layers:GRU", "keras.layers:GRU"),
    "RNN": ("custom_layers:RNN", "keras.layers:SimpleRNN"),
}
SIZES = ((32, 200, 128), (32, 200, 512), (32, 1000, 128))
DOCS = Path(__file__).parents[1] / "docs"

PAGE = """# Time and memory against length

Made by `make bench`. {machine}. A training step (forward, backward, weight gradients), graph mode,
{features} features, float32; each point in a process of its own. Median of five. Memory is the peak
of the process above what it had before the step was built.

## Linear recurrences

Batch {batch}, {units} units.

{lengths}

## Memory beside Keras

{memory}
"""


def main() -> None:
    """Measure every point, and write docs/linear.md, .json and .svg."""
    lengths = [
        {"layer": side, "steps": length, **footprint.measure(name, BATCH, length, UNITS, loop=loop)}
        for length in track(LENGTHS, "Lengths")
        for side, (name, loop) in SIDES.items()
    ]
    memory = []
    for layer, names in track(PAIRS.items(), "Memory"):
        for batch, time, units in SIZES:
            ours, theirs = (footprint.measure(name, batch, time, units)["MB"] for name in names)
            sizes = {"layer": layer, "batch": batch, "steps": time, "units": units}
            ratio = {"Keras / ours": theirs / ours}
            memory.append({**sizes, "ours, MB": ours, "Keras, MB": theirs, **ratio})
    figures: dict[str, Any] = {"machine": machine(), "lengths": lengths, "memory": memory}
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in figures["machine"].items()),
        features=footprint.FEATURES,
        batch=BATCH,
        units=UNITS,
        lengths=table(lengths),
        memory=table(memory),
    )
    (DOCS / "linear.md").write_text(page, encoding="utf-8")
    (DOCS / "linear.json").write_text(json.dumps(figures, indent=1) + "\n")
    picture.draw_lengths(lengths, DOCS / "linear.svg")
    print(page)


if __name__ == "__main__":
    main()
