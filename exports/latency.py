"""How long a call takes: what is compared takes turns, because a shared machine slows all alike."""

import functools
import math
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

import numpy as np

from exports.parity.cases import Case
from exports.signature import Arrays, Run

Side = TypeVar("Side")

BATCHES = (1, 32)
_ROUNDS, _SECONDS = 50, 0.8  # of `of_cases`, for each batch size
_ROW_SECONDS = 0.05  # of `of_cases`, for one row on all sides
_CPUINFO = Path("/proc/cpuinfo")


class Latency(NamedTuple):
    """What a call of one side takes, in milliseconds.

    Attributes:
        side: what was called.
        batch: rows of the inputs.
        p50: half of the calls took no longer.
        p99: 99 of 100 calls took no longer.
        calls: how many were timed.
    """

    side: str
    batch: int
    p50: float
    p99: float
    calls: int


def of_cases(
    runs: Mapping[str, Run], cases: Sequence[Case], batches: Sequence[int] = BATCHES
) -> dict[str, Any]:
    """Measure briefly, for some seconds, on real inputs of middling length if there are any.

    Otherwise on the longest of the cases. Where a row of those takes too long, shorter ones do.
    """
    real = sorted((case for case in cases if case.real), key=_row_size)
    least, most = min(batches), math.inf
    for case in reversed(real[: len(real) // 2 + 1] or sorted(cases, key=_row_size)):
        if _row_size(case) > most:
            continue
        rows = {name: values[:least] for name, values in case.inputs.items()}
        start = time.perf_counter()
        for run in runs.values():
            run(rows)
        seconds = time.perf_counter() - start
        if seconds < _ROW_SECONDS:
            break
        most = _row_size(case) * _ROW_SECONDS / seconds
    rounds = dict.fromkeys(batches, range(_ROUNDS))
    return measure(runs, case.inputs, rounds, seconds=_SECONDS)


def _row_size(case: Case) -> int:
    return sum(values[:1].size for values in case.inputs.values())


def measure(
    runs: Mapping[str, Run], inputs: Arrays, rounds: Mapping[int, Iterable[Any]], *, seconds: float
) -> dict[str, Any]:
    """Measure the latency of each side, and return it as plain data, with the machine's name.

    Args:
        runs: the sides.
        inputs: rows to run on, from the first again where a batch has more.
        rounds: for each batch size, what `turns` takes.
        seconds: for each batch size, what `turns` takes.
    """
    latencies = []
    for batch, turns_of_batch in rounds.items():
        rows = {name: _resized(values, batch) for name, values in inputs.items()}
        sides = {side: functools.partial(run, rows) for side, run in runs.items()}
        for side, times in turns(sides, turns_of_batch, seconds=seconds).items():
            p50, p99 = np.percentile(times, [50, 99]).tolist()
            latencies.append(Latency(side, batch, p50, p99, len(times))._asdict())
    shapes = {name: list(values.shape[1:]) for name, values in inputs.items()}
    return {"processor": processor(), "shape_of_a_row": shapes, "milliseconds": latencies}


def turns(
    sides: Mapping[Side, Callable[[], Any]],
    rounds: Iterable[Any],
    *,
    calls: int = 1,
    seconds: float = math.inf,
) -> dict[Side, list[float]]:
    """Return the milliseconds of the calls of each side.

    In each of `rounds` the sides take turns: a call that does not count if more than one does,
    then `calls` that do. After `seconds` there is no further round, but three there are. Each
    round has an order of its own, because what ran before a call (threads that still spin) costs
    it time.
    """
    order, random = list(sides.items()), Random(0)
    times: dict[Side, list[float]] = {name: [] for name in sides}
    for call in sides.values():
        call()
    end = time.perf_counter() + seconds
    for number, _ in enumerate(rounds):
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
    return times


def processor() -> str:
    """Name the processor, and how many cores it has here."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores"


def _resized(values: np.ndarray, batch: int) -> np.ndarray:
    return np.resize(values, (batch, *values.shape[1:]))
