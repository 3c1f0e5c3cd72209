"""Tables of 10,000 to 1,000,000 texts: how long they take, and how much memory.

Makes a CSV file of so many texts of about a kilobyte, trains a small classifier on it for an epoch
by `recurrent train` in a process and a cache of its own, and prints how that went. The largest
takes half an hour and 3 GB on disk.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.progress import track

from benchmarks.tables import table
from pipeline.data.cache import VARIABLE

ROWS = (10_000, 100_000, 1_000_000)
_WORDS, _LENGTH = 50_000, 160  # different words, and the mean number of them in a text
_INDICATIVE = 0.3  # of the words of a text are more frequent in its class
_AT_ONCE = 1000
_BATCH = 128
_MODEL = ("--units=16", "--epochs=1", f"--batch-size={_BATCH}", "--max-length=200")


@click.command()
@click.option("--rows", type=int, multiple=True, default=ROWS, show_default=True)
def main(rows: tuple[int, ...]) -> None:
    """Measure tables of so many ROWS."""
    with tempfile.TemporaryDirectory(prefix="store-") as folder:
        print(table([_measured(count, Path(folder)) for count in rows]))


def write(path: Path, rows: int) -> None:
    """Write a CSV file of texts with two labels; words are as frequent as in a language."""
    random = np.random.default_rng(0)
    words = np.array([_word(number) for number in range(_WORDS)])
    frequencies = 1 / np.arange(10, 10 + _WORDS)
    ends = np.cumsum(frequencies / frequencies.sum())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for _ in track(range(rows // _AT_ONCE), f"Writing {rows:,} texts"):
            labels = random.integers(0, 2, _AT_ONCE)
            for label, length in zip(labels, random.poisson(_LENGTH, _AT_ONCE), strict=True):
                places = np.searchsorted(ends, random.random(length + 1)).clip(max=_WORDS - 1)
                indicative = random.random(length + 1) < _INDICATIVE
                odd = places[indicative] % 2
                places[indicative] += (odd != label) * (1 - 2 * odd)
                writer.writerow([" ".join(words[places]), ("no", "yes")[label]])


def _word(number: int) -> str:
    """Spell a word of its own for a number, the shorter the lower it is."""
    letters = "etaoinshrdlu"
    spelled = letters[number % len(letters)]
    while number := number // len(letters):
        spelled += letters[number % len(letters)]
    return f"{spelled}{spelled[0]}"


def _measured(rows: int, folder: Path) -> dict[str, Any]:
    """Train on a table of so many rows."""
    path, run = folder / f"{rows}.csv", folder / f"run-{rows}"
    write(path, rows)
    environment = {**os.environ, VARIABLE: str(folder / f"cache-{rows}")}
    options = (f"--data={path}", f"--run={run}", *_MODEL)
    seconds, peak = _run("train", "classify", *options, **environment)
    epoch = json.loads((run / "metrics.jsonl").read_text())
    preparing = seconds - epoch["seconds"]
    return {
        "rows": f"{rows:,}",
        "file, MB": round(path.stat().st_size / 1e6),
        "preparing, s": preparing,
        "rows a second": f"{rows / preparing:,.0f}",
        "epoch, s": epoch["seconds"],
        "of it waiting for batches": f"{epoch['waited']:.2%}",
        "a step waits, ms": 1000 * epoch["waited"] * epoch["seconds"] / _steps(rows),
        "peak memory, MB": round(peak / 1e6),
        "validation accuracy": epoch["validation_accuracy"],
    }


def _steps(rows: int) -> float:
    """How many training steps an epoch has, nearly: a fifth of the rows is for testing."""
    return 0.8 * 0.9 * rows / _BATCH


def _run(*arguments: str, **environment: str) -> tuple[float, int]:
    """Run a command; return its seconds and the most bytes of memory that it had."""
    started = time.perf_counter()
    program = [sys.executable, "-m", "pipeline.cli", *arguments]
    process = subprocess.Popen(program, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(program)} failed")
    return time.perf_counter() - started, usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
