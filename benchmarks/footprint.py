"""Time and memory of one training step, in a process of its own: `measure` starts it."""

import json
import os
import resource
import subprocess
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FEATURES = 64


def measure(layer: str, batch: int, time: int, units: int, *, loop: bool = False) -> dict[str, Any]:
    """Return milliseconds and megabytes of a training step of a layer such as `keras.layers:GRU`.

    Graph mode, median of five. The megabytes are the peak of the process above what it had before
    the step was built. With `loop` a linear cell runs step by step.
    """
    arguments = [layer, batch, time, units, int(loop)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.footprint", *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure(name: str, batch: int, time: int, units: int, loop: bool) -> dict[str, float]:
    import importlib

    import tensorflow as tf

    from benchmarks.timing import medians
    from custom_layers.engine import sequential

    module, _, kind = name.partition(":")
    x = tf.random.normal([batch, time, FEATURES])
    layer = getattr(importlib.import_module(module), kind)(units, return_sequences=True)
    layer.build(x.shape)
    if loop:
        layer.run_loop = lambda options, sequences, _: sequential.run_loop(
            options, sequences, layer.get_initial_state(batch)
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


if __name__ == "__main__":
    layer, batch, time, units, looped = sys.argv[1:]
    print(json.dumps(_measure(layer, int(batch), int(time), int(units), looped == "1")))
