"""Beam search in the model of a run: by its states, and by the whole model for every prefix.

python -m benchmarks.decoding RUN
"""

import sys
import time
from pathlib import Path
from typing import Any

from pipeline import batches
from pipeline.run import Run

ROUNDS = 2


def main(path: str) -> None:
    """Predict the test split on both sides in turn, and compare the hypotheses."""
    run = Run.open(Path(path))
    model, task = run.model(), run.task
    test = task.data(run).test
    sides = {"whole model": batches.compute(model), "states": task.compute(model)}
    found: dict[str, Any] = {}
    for number in range(1, 1 + ROUNDS):
        for name, compute in sides.items():
            started, computed = time.perf_counter(), time.process_time()
            found[name] = task.predictions(compute, test)
            seconds, computed = time.perf_counter() - started, time.process_time() - computed
            print(f"round {number}, {name}: {seconds:.1f} s, on cores {computed:.1f} s", flush=True)
    rows = list(zip(found["whole model"], found["states"], strict=True))
    same = [
        (one, other)
        for one, other in rows
        if [each.symbols for each in one] == [each.symbols for each in other]
    ]
    apart = [
        abs(first.score - second.score)
        for one, other in same
        for first, second in zip(one, other, strict=True)
    ]
    print(f"same hypotheses: {len(same)} of {len(rows)}; scores differ by up to {max(apart):.1g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
