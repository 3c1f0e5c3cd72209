"""`recurrent serve` under load: how fast, how late, and whether a stop loses anything."""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.progress import track

from benchmarks.tables import table
from benchmarks.timing import machine

WORDS, EMBEDDING, UNITS, LENGTH = 20_000, 64, 64, 400
KINDS = {"headline": (2.3, 0.4), "review": (5.2, 0.6)}  # of a log-normal number of words
LOADS = ((1, 1), (32, 1), (32, 32))  # connections, and rows that may run together
BODIES, SECONDS, ROUNDS = 500, 4, 5
DOCS = Path(__file__).parents[1] / "docs"

# wrk runs it: each request is the next line of a file, and the figures come as JSON.
SCRIPT = """
local bodies, number = {}, 0
for line in io.lines("BODIES") do bodies[#bodies + 1] = line end
request = function()
  number = number % #bodies + 1
  return wrk.format("POST", "/predict", nil, bodies[number])
end
done = function(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'FIGURES {"answers": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""

PAGE = """# Serving

Made by `python -m benchmarks.serving`. {machine}.

`recurrent serve` and the load generator share the cores. Raw text in, over HTTP; every connection
stays open and sends its next text when it has the answer. The ONNX file splits and looks up the
words: bidirectional GRU of {units} units, {words} words known, {length} read. Headlines have
{headline:.0f} words, reviews {review:.0f} (medians). "rows together" is `--max-batch`, so 1 is
without batching.

## Load

wrk, one thread, {seconds} s; medians of {rounds} rounds in turn. "CPU" is the server's for an
answer: it depends less on what else the machine does.

{loads}

## Told to stop under load

hey, {connections} connections, SIGTERM in the middle. "refused" were told so, by a 503 or by a port
nobody listens on; "lost" are all others without an answer.

{stops}
"""


class Load(NamedTuple):
    """What is asked, by how many, and how the server is set."""

    kind: str
    connections: int
    batched_rows: int


def main() -> None:
    """Measure every load, and write docs/serving.md and .json."""
    if missing := [name for name in ("wrk", "hey") if not shutil.which(name)]:
        sys.exit(f"the load generators are not all there: apt install {' '.join(missing)}")
    loads = [Load(kind, *load) for kind in KINDS for load in LOADS]
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        _export(directory / "artifact")
        for kind, lengths in KINDS.items():
            (directory / kind).write_text("".join(f"{body}\n" for body in _bodies(*lengths)))
        turns = track(loads * ROUNDS, "Loads")
        rounds = [(load, _measure(directory, load)) for load in turns]
        stops = [_stop(directory, loads[-1]._replace(kind=kind)) for kind in track(KINDS, "Stops")]
    figures: dict[str, Any] = {
        "machine": {**machine(), "uvicorn": version("uvicorn")},
        "loads": [_median(load, [row for each, row in rounds if each == load]) for load in loads],
        "stops": stops,
    }
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in figures["machine"].items()),
        seconds=SECONDS,
        rounds=ROUNDS,
        units=UNITS,
        length=LENGTH,
        words=f"{WORDS:,}",
        connections=loads[-1].connections,
        loads=table(figures["loads"]),
        stops=table(stops),
        **{kind: np.exp(mean) for kind, (mean, _) in KINDS.items()},
    )
    (DOCS / "serving.md").write_text(page, encoding="utf-8")
    (DOCS / "serving.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(page)


def _export(directory: Path) -> None:
    """Export a model of the demo's size with random weights: what they are costs no time."""
    import keras

    from custom_layers import GRU, Bidirectional
    from exports import export
    from exports.text import TextEncoder

    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(WORDS, EMBEDDING, mask_zero=True)(tokens)
    x = keras.layers.Dense(2, activation="softmax", name="label")(Bidirectional(GRU(UNITS))(x))
    encoder = TextEncoder(["", "[UNK]", *map(_word, range(2, WORDS))], LENGTH)
    model = keras.Model(tokens, x)
    export(model, directory, formats=["onnx"], encoder=encoder, labels=["negative", "positive"])


def _word(number: int) -> str:
    """Spell a number in letters."""
    return "".join("etaoinshrd"[int(digit)] for digit in str(number))


def _bodies(mean: float, deviation: float) -> list[str]:
    """Make requests of one text each, with some words far more frequent than others."""
    generator = np.random.default_rng(0)
    lengths = np.maximum(1, generator.lognormal(mean, deviation, BODIES).astype(int))
    texts = (generator.zipf(1.3, length) % WORDS for length in lengths)
    return [json.dumps({"texts": [" ".join(map(_word, words))]}) for words in texts]


def _measure(directory: Path, load: Load) -> dict[str, float]:
    with _serving(directory, load) as (_, address):
        _wrk(directory, load, address, 1)
        before = _cpu(address)
        figures = _wrk(directory, load, address, SECONDS)
        used = _cpu(address) - before
    return {
        "answers / s": figures["answers"] / figures["seconds"],
        "p50, ms": figures["p50"],
        "p99, ms": figures["p99"],
        "CPU, ms": used / figures["answers"] * 1e3,
        "errors": figures["errors"],
    }


def _median(load: Load, rows: list[dict[str, float]]) -> dict[str, Any]:
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    return {
        "text": load.kind,
        "connections": load.connections,
        "rows together": load.batched_rows,
        **medians,
        "errors": sum(int(row["errors"]) for row in rows),
    }


def _stop(directory: Path, load: Load) -> dict[str, Any]:
    body = directory / "body"
    body.write_text((directory / load.kind).read_text().splitlines()[0])
    with _serving(directory, load) as (server, address):
        program = ["hey", "-c", str(load.connections), "-z", f"{SECONDS}s", "-m", "POST"]
        with subprocess.Popen(
            [*program, "-D", str(body), f"{address}/predict"], stdout=subprocess.PIPE, text=True
        ) as hey:
            try:
                hey.wait(SECONDS / 2)
            except subprocess.TimeoutExpired:
                server.terminate()
            said, _ = hey.communicate()
        status = server.wait()
    statuses = {code: int(count) for code, count in re.findall(r"\[(\d+)\]\t(\d+) resp", said)}
    errors = [(int(count), why) for count, why in re.findall(r"\[(\d+)\]\t(\w+ \".*)", said)]
    at_the_port = sum(count for count, why in errors if why.endswith("connection refused"))
    return {
        "text": load.kind,
        "answered": statuses.pop("200"),
        "refused by a 503": statuses.pop("503", 0),
        "refused at the port": at_the_port,
        "lost": sum(statuses.values()) + sum(count for count, _ in errors) - at_the_port,
        "exit status": status,
    }


@contextmanager
def _serving(directory: Path, load: Load) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve while the block runs."""
    program = [sys.executable, "-m", "pipeline.cli", "serve", str(directory / "artifact")]
    options = ["--port=0", f"--max-batch={load.batched_rows}"]
    with subprocess.Popen([*program, *options], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        try:
            yield server, server.stderr.readline().split()[-1]
        finally:
            server.terminate()


def _wrk(directory: Path, load: Load, address: str, seconds: int) -> dict[str, Any]:
    script = directory / "script.lua"
    script.write_text(SCRIPT.replace("BODIES", str(directory / load.kind)))
    program = ["wrk", "--threads=1", f"--connections={load.connections}", f"--script={script}"]
    ended = subprocess.run(
        [*program, f"--duration={seconds}s", address], stdout=subprocess.PIPE, text=True, check=True
    )
    figures: dict[str, Any] = json.loads(ended.stdout.partition("FIGURES ")[2])
    return figures


def _cpu(address: str) -> float:
    """Return the seconds of a core that the server has used."""
    with urllib.request.urlopen(f"{address}/metrics") as metrics:
        lines = dict(line.rsplit(" ", 1) for line in metrics.read().decode().splitlines())
    return float(lines["process_cpu_seconds_total"])


if __name__ == "__main__":
    main()
