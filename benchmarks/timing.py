"""Timing on a shared machine: alternate the sides, take medians, compare ratios."""

import math
import platform
import statistics
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from exports import latency


def medians(
    sides: Mapping[str, Callable[[], Any]],
    rounds: int,
    *,
    calls: int = 1,
    seconds: float = math.inf,
) -> dict[str, float]:
    """Return the median milliseconds of each side, from `rounds` of `latency.turns`."""
    times = latency.turns(sides, range(rounds), calls=calls, seconds=seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def best_modes(times: Mapping[str, float]) -> dict[str, float]:
    """Of each side, called `side, mode`, keep the time of its best mode."""
    best: dict[str, float] = {}
    for name, time in times.items():
        side, _, _ = name.partition(",")
        best[side] = min(time, best.get(side, math.inf))
    return best


def machine() -> dict[str, str]:
    """Describe where the figures come from."""
    packages = ("tensorflow", "keras", "onnxruntime", "tf2onnx")
    return {
        "processor": latency.processor(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        **{name: version(name) for name in packages},
    }
