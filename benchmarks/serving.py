"""`recurrent serve` under the load of wrk: how fast, how late, and whether a stop loses anything."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.timing import machine, table

WORDS, EMBEDDING, UNITS, LENGTH = 20_000, 64, 64, 400
KINDS = {"headline": (2.3, 0.4), "review": (5.2, 0.6)}  # of a log-normal number of words
LOADS = [(1, 1), (32, 1), (32, 32)]  # connections, and rows that may run together
BODIES, SECONDS = 500, 2
DOCS = Path(__file__).parents[1] / "docs"

SCRIPT = """
local bodies = {}
for line in io.lines("BODIES") do bodies[#bodies + 1] = line end
local next = 0
wrk.method = "POST"
request = function()
  next = next % #bodies + 1
  return wrk.format(nil, "/predict", nil, bodies[next])
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'FIGURES {"answers": %d, "seconds": %f, "p50": %f, "p99": %f, "connect": %d, "read": %d, '
    .. '"write": %d, "status": %d, "timeout": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, errors.connect, errors.read, errors.write, errors.status,
    errors.timeout))
end
"""

PAGE = """# Serving

Made by `python -m benchmarks.serving`. {machine}. `recurrent serve` and the load generator, wrk with
one thread, share the cores. Raw text in, over HTTP, connections kept open, {seconds} s a row; every
connection sends its next text when it has the answer. Words are split and looked up in the ONNX
file; bidirectional GRU of {units} units, at most {length} words, {words} known. Headlines have about
{headline:.0f} words, reviews about {review:.0f}. "rows together" is `--max-batch`: 1 is without batching.

{loads}

## Told to stop under load

SIGTERM after {half} s, {connections} connections; then wrk goes on for {half} s and finds nobody.
"cut off" are connections that stood and were closed without an answer.

{stops}
"""


def main() -> None:
    """Measure every load, and write docs/serving.md and .json."""
    if not shutil.which("wrk"):
        sys.exit("wrk, the load generator, is not there: apt install wrk")
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        _export(directory / "artifact")
        bodies = {kind: _bodies(*lengths) for kind, lengths in KINDS.items()}
        cases = [(kind, *load) for kind in KINDS for load in LOADS]
        loads = [_load(directory, bodies[case[0]], *case) for case in track(cases, "Loads")]
        stops = [_stop(directory, bodies[kind], kind) for kind in track(KINDS, "Stops")]
    figures = {
        "machine": {**machine(), "uvicorn": version("uvicorn")},
        "loads": loads,
        "stops": stops,
    }
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in figures["machine"].items()),
        seconds=SECONDS,
        half=SECONDS // 2,
        units=UNITS,
        length=LENGTH,
        words=f"{WORDS:,}",
        connections=LOADS[-1][0],
        loads=table(loads),
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
    """Spell a number in letters, some of them more often than others."""
    return "".join("etaoinshrd"[int(digit)] for digit in str(number))


def _bodies(mean: float, deviation: float) -> list[str]:
    """Make requests of one text each, whose words are as frequent as words are."""
    generator = np.random.default_rng(0)
    lengths = np.maximum(1, generator.lognormal(mean, deviation, BODIES).astype(int))
    texts = (generator.zipf(1.3, length) % WORDS for length in lengths)
    return [json.dumps({"texts": [" ".join(map(_word, words))]}) for words in texts]


def _load(
    directory: Path, bodies: list[str], kind: str, connections: int, together: int
) -> dict[str, Any]:
    with _serving(directory, together) as (server, address):
        _finish(_wrk(directory, address, bodies, connections, 2))
        figures = _finish(_wrk(directory, address, bodies, connections, SECONDS))
        server.terminate()
    return {
        "text": kind,
        "connections": connections,
        "rows together": together,
        "answers / s": (figures["answers"] - figures["status"]) / figures["seconds"],
        "p50, ms": figures["p50"],
        "p99, ms": figures["p99"],
        "errors": sum(figures[name] for name in ("connect", "read", "write", "status", "timeout")),
    }


def _stop(directory: Path, bodies: list[str], kind: str) -> dict[str, Any]:
    connections, together = LOADS[-1]
    with _serving(directory, together) as (server, address):
        load = _wrk(directory, address, bodies, connections, SECONDS)
        try:
            load.wait(SECONDS / 2)
        except subprocess.TimeoutExpired:
            server.terminate()
        figures = _finish(load)
    return {
        "text": kind,
        "answered": figures["answers"] - figures["status"],
        "refused with 503": figures["status"],
        "cut off": figures["read"] + figures["write"],
        "exit status": server.returncode,
    }


@contextmanager
def _serving(directory: Path, together: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve until the block has told the server to stop."""
    program = [sys.executable, "-m", "pipeline.cli", "serve", str(directory / "artifact")]
    options = ["--port=0", f"--max-batch={together}"]
    with subprocess.Popen([*program, *options], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        yield server, server.stderr.readline().split()[-1]


def _wrk(
    directory: Path, address: str, bodies: list[str], connections: int, seconds: int
) -> subprocess.Popen[str]:
    lines, script = directory / "bodies", directory / "script.lua"
    lines.write_text("\n".join(bodies) + "\n")
    script.write_text(SCRIPT.replace("BODIES", str(lines)))
    program = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
    return subprocess.Popen(
        [*program, f"--script={script}", address], stdout=subprocess.PIPE, text=True
    )


def _finish(load: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = load.communicate()
    figures: dict[str, Any] = json.loads(said.partition("FIGURES ")[2])
    return figures


if __name__ == "__main__":
    main()
