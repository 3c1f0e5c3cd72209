"""Timing on a shared machine: alternate the sides, take medians, compare ratios."""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from random import Random
from typing import Any


def medians(
    sides: Mapping[str, Callable[[], Any]],
    rounds: int,
    *,
    calls: int = 1,
    seconds: float = math.inf,
) -> dict[str, float]:
    """Return the median milliseconds of each side.

    The sides take turns, `rounds` times: a call that does not count if more than one does, then
    `calls` that do. After `seconds` there is no further round, but three there are. Each round has
    an order of its own, because what ran before a call (threads that still spin) costs it time.
    """
    order, random = list(sides.items()), Random(0)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values():
        call()
    end = time.perf_counter() + seconds
    for number in range(rounds):
        if number >= 3 and time.perf_counter() > end:
            break
        random.shuffle(order)
        for name, call in order:
            if calls > 1:
                call()
            for _ in range(calls):
                start = time.perf_counter()
                call()
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def machine() -> dict[str, str]:
    """Describe where the figures come from."""
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    packages = ("tensorflow", "keras", "onnxruntime", "tf2onnx")
    return {
        "processor": f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        **{name: version(name) for name in packages},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Lay out rows of equal keys as a Markdown table, numbers with three digits."""

    def text(value: Any) -> str:
        if not isinstance(value, float):
            return str(value)
        return f"{value:.3g}" if value < 100 else f"{value:.0f}"

    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([text(row[key]) for key in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
