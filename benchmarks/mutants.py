"""Put small mistakes into the code, one at a time, and list those that no test notices.

A mistake is put into a copy of the working tree, never into the tree itself. There the tests of
its room run until one fails, those that name its module first. What failed must pass without the
mistake. Results are kept in build/mutants/: a run that was stopped goes on, and what survived is
tried again when the code or a test has changed.
"""

import hashlib
import importlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import pytest

from benchmarks.mutations import Mutant, mutants, sample
from benchmarks.tables import table

ROOT = Path(__file__).parents[1]
# What is mutated, and where its tests are.
SUITES = {
    "custom_layers/": "tests/custom_layers",
    "exports/": "tests/exports",
    "pipeline/data/": "tests/pipeline/data",
    "pipeline/run.py": "tests/pipeline",
    "pipeline/train.py": "tests/pipeline",
}
ROOMS = ("benchmarks", "custom_layers", "exports", "pipeline", "tests")
# What most tests load, and takes longer to load than a test takes: it is loaded once.
PACKAGES = ("keras", "tensorflow", "onnxruntime", "tf2onnx", "scipy.stats")
SUITE_SECONDS, TEST_SECONDS = 3600, 300  # after which a mutant counts as timed out

SURVIVED, KILLED, TIMED_OUT = "survived", "killed", "timed out"
UNSURE = "unsure"  # the test that failed fails without the mistake, too


@dataclass
class Result:
    """What became of a mutant: its outcome, and the digest of the tree that it was tried in."""

    rank: str
    path: str
    line: int
    kind: str
    diff: str
    outcome: str
    failed: list[str]
    seconds: float
    tree: str


@click.command()
@click.option("--size", default=100, help="Number of mutants (default 100).")
@click.option("--seed", default=0, help="Random seed of the sample (default 0).")
@click.option("--only", default="", help="Try those whose path begins with this.")
def main(size: int, seed: int, only: str) -> None:
    """Try a fixed sample of mutants, and print which of them survive."""
    file, tree = ROOT / "build" / "mutants" / "results.jsonl", digest(ROOT)
    file.parent.mkdir(parents=True, exist_ok=True)
    known = read(file)
    drawn = sample(all_mutants(ROOT), size, seed)
    chosen = {rank: mutant for rank, mutant in drawn.items() if mutant.path.startswith(only)}
    waiting = [rank for rank in chosen if not is_final(known.get(rank), tree)]
    for package in PACKAGES:
        importlib.import_module(package)
    for number, rank in enumerate(waiting, start=1):
        result = known[rank] = attempt(chosen[rank], ROOT, rank, tree)
        with file.open("a", encoding="utf-8") as results:
            results.write(json.dumps(asdict(result)) + "\n")
        print(
            f"{number}/{len(waiting)} {result.outcome} after {result.seconds:.0f} s:",
            f"{result.path}:{result.line}, {result.kind}",
            flush=True,
        )
    summary = report([known[rank] for rank in chosen])
    file.with_name("summary.md").write_text(summary, encoding="utf-8")
    print(summary)


def sources(root: Path) -> list[str]:
    """Name the files of the working tree that git tracks, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in listed.split("\0") if path and (root / path).is_file())


def digest(root: Path) -> str:
    """Return a digest of the Python files in `root`."""
    found = hashlib.sha256()
    for path in sources(root):
        if path.endswith(".py"):
            found.update(path.encode() + (root / path).read_bytes())
    return found.hexdigest()


def all_mutants(root: Path) -> Iterator[Mutant]:
    """Make the mutants of all files that have a suite."""
    for path in sources(root):
        if path.endswith(".py") and path.startswith(tuple(SUITES)):
            yield from mutants(path, (root / path).read_text(encoding="utf-8"))


def tests_of(path: str, root: Path) -> list[str]:
    """Name the test files for the module at `path`, those called like it or that name it first."""
    folder = next(tests for of, tests in SUITES.items() if path.startswith(of))
    module = Path(path).with_suffix("")
    name = module.parent.name if module.name == "__init__" else module.name

    def order(file: Path) -> tuple[int, int, Path]:
        shared = set(name.split("_")) & set(file.stem.split("_"))
        named = re.findall(rf"\b{name}\b", file.read_text(encoding="utf-8"))
        return -len(shared), -len(named), file

    files = sorted((root / folder).rglob("test_*.py"), key=order)
    return [str(file.relative_to(root)) for file in files]


def read(file: Path) -> dict[str, Result]:
    """Return the results in `file`, the last one of each mutant."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    results = [Result(**json.loads(line)) for line in lines]
    return {result.rank: result for result in results}


def is_final(result: Result | None, tree: str) -> bool:
    """Say whether a mutant need not be tried again."""
    return result is not None and (result.outcome == KILLED or result.tree == tree)


def attempt(mutant: Mutant, root: Path, rank: str, tree: str) -> Result:
    """Try `mutant` in a copy of the working tree in `root`."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy = Path(name)
        for path in sources(root):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, copy / path)
        outcome, failed = judge(mutant, copy)
    seconds = round(time.monotonic() - began, 1)
    what = (rank, mutant.path, mutant.line, mutant.kind, mutant.diff)
    return Result(*what, outcome, failed, seconds, tree)


def judge(mutant: Mutant, copy: Path) -> tuple[str, list[str]]:
    """Return the outcome of `mutant` in `copy`, and the test that failed."""
    tests = tests_of(mutant.path, copy)
    file = copy / mutant.path
    correct = file.read_text(encoding="utf-8")
    file.write_text(mutant.source, encoding="utf-8")
    code = run(tests, copy)
    file.write_text(correct, encoding="utf-8")
    if code == 0:
        return SURVIVED, []
    cache = copy / ".pytest_cache" / "v" / "cache" / "lastfailed"
    failed = list(json.loads(cache.read_text())) if cache.exists() else []
    if code is None or (code == pytest.ExitCode.TESTS_FAILED and not failed):
        return TIMED_OUT, []
    code = run(["--last-failed", "--last-failed-no-failures=none", *tests], copy)
    # No test runs if the mistake had stopped pytest before the first one.
    passed = code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return (KILLED if passed else UNSURE), failed


def run(arguments: Sequence[str], copy: Path) -> int | None:
    """Run tests in `copy` until one fails; return the exit status, None if they take too long."""
    process = multiprocessing.get_context("fork").Process(target=_pytest, args=(arguments, copy))
    process.start()
    assert process.pid is not None
    process.join(SUITE_SECONDS)
    code = process.exitcode
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # with all that it began
    process.join()
    return code


def _pytest(arguments: Sequence[str], copy: Path) -> None:
    """Become a pytest in a session of its own, with the code of `copy`."""
    os.setsid()
    os.chdir(copy)
    os.environ.update(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    for name in list(sys.modules):
        if name.partition(".")[0] in ROOMS:
            del sys.modules[name]
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = True
    limits = [f"faulthandler_timeout={TEST_SECONDS}", "faulthandler_exit_on_timeout=true"]
    options = [word for limit in limits for word in ("--override-ini", limit)]
    sys.exit(pytest.main(["--exitfirst", *options, *arguments]))


def report(results: Sequence[Result]) -> str:
    """Count the outcomes of each suite, and show every mutant that was not killed."""
    outcomes = (KILLED, TIMED_OUT, SURVIVED, UNSURE)
    rows = []
    for suite in (*SUITES, ""):
        counts = Counter(each.outcome for each in results if each.path.startswith(suite))
        rows.append({"of": suite or "all", **{outcome: counts[outcome] for outcome in outcomes}})
    shown = [
        f"{each.path}:{each.line}, {each.kind}, {each.outcome}\n\n```diff\n{each.diff}\n```"
        for each in results
        if each.outcome in (SURVIVED, UNSURE)
    ]
    return "\n\n".join([table(rows), *shown]) + "\n"


if __name__ == "__main__":
    main()
