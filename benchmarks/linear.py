"""Time and memory of a training step against its length: all steps at once, and in a loop."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, FEATURES, UNITS = 1, 64, 128
LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000)
SIDES = {
    "MinGRU, at once": ("MinGRU", False),
    "MinGRU, in a loop": ("MinGRU", True),
    "LRU, at once": ("LRU", False),
    "GRU, in a loop": ("GRU", True),
}
DOCS = Path(__file__).parents[1] / "docs"

PAGE = """# Linear recurrences against length

Made by `make bench`. {machine}. A training step (forward, backward, weight gradients), graph mode,
batch {batch}, {features} features, {units} units, float32; each point in a process of its own.
Median of five. Memory is the peak of the process above what it had before the layer was built.

{table}
"""


def measure(name: str, loop: bool, length: int) -> dict[str, float]:
    """Return milliseconds and megabytes of one point, in this process."""
    import tensorflow as tf

    import custom_layers
    from benchmarks.timing import medians
    from custom_layers.engine import sequential

    x = tf.random.normal([BATCH, length, FEATURES])
    layer = getattr(custom_layers, name)(UNITS, return_sequences=True)
    layer.build(x.shape)
    if loop:
        layer.walk = lambda recurrence, sequences, _: sequential.walk(
            recurrence, sequences, layer.get_initial_state(BATCH)
        )
    weights = [variable.value for variable in layer.trainable_variables]

    @tf.function(autograph=False)
    def step(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x, training=True)))
        return tape.gradient(loss, weights)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = medians({"step": lambda: [each.numpy() for each in step(x)]}, rounds=5, seconds=20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ms": times["step"], "MB": (peak - before) / 1024}


def main() -> None:
    """Measure every point in a process of its own, and write docs/linear.md, .json and .svg."""
    from rich.progress import track

    from benchmarks import picture
    from benchmarks.timing import machine, table

    rows = []
    for length in track(LENGTHS, "Lengths"):
        for side, (name, loop) in SIDES.items():
            arguments = [
                sys.executable,
                "-m",
                "benchmarks.linear",
                name,
                str(int(loop)),
                str(length),
            ]
            done = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(
                {"layer": side, "steps": length, **json.loads(done.stdout.splitlines()[-1])}
            )
    described = machine()
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in described.items()),
        batch=BATCH,
        features=FEATURES,
        units=UNITS,
        table=table(rows),
    )
    (DOCS / "linear.md").write_text(page, encoding="utf-8")
    content = json.dumps({"machine": described, "points": rows}, indent=1)
    (DOCS / "linear.json").write_text(content + "\n")
    picture.draw_lengths(rows, DOCS / "linear.svg")
    print(page)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        layer, looped, steps = sys.argv[1:]
        print(json.dumps(measure(layer, looped == "1", int(steps))))
    else:
        main()
