"""Measure everything, print it, and write docs/benchmarks.md, .json and .svg."""

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from rich.progress import track

from benchmarks import latency, picture, training
from benchmarks.tables import table
from benchmarks.timing import machine

PAGE = """# Benchmarks

Made by `make bench`. {machine}. Medians in milliseconds; in each row the two sides take turns in
one process, so look at the ratio before the milliseconds: the machine is shared.

## Training step

Forward, backward and weight gradients, batch {batch}, {time} steps, {features} features.
"graph" has a free batch and time axis, as in Keras's `fit`; "jit" is XLA.

{training}

## ONNX Runtime

Token ids `[batch, 200]`, embedding of 64 with `mask_zero`, layer of 32 or 128 units, dense layer;
the same Keras model exported by us and by `keras.Model.export`, sessions with default options. The
sides take turns of 40 calls (6 at batch 32), as a server runs one model again and again.

{latency}
"""


def main() -> None:
    """Run all benchmarks."""
    figures: dict[str, Any] = {
        "machine": machine(),
        "training": list(track(training.rows(), "Training steps", 27)),
        "latency": list(track(latency.rows(), "ONNX Runtime", 16)),
    }
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in figures["machine"].items()),
        batch=training.BATCH,
        time=training.TIME,
        features=training.FEATURES,
        training=table(figures["training"]),
        latency=table(figures["latency"]),
    )
    docs = Path(__file__).parents[1] / "docs"
    docs.joinpath("benchmarks.md").write_text(page, encoding="utf-8")
    docs.joinpath("benchmarks.json").write_text(json.dumps(figures, indent=2) + "\n")
    picture.draw(figures, docs / "benchmarks.svg")
    print(page)


if __name__ == "__main__":
    main()
