"""`make demo`: from nothing to a model in three formats that agree. What is done stays done."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from pipeline import cli, paths, quiet, recipes, tables
from pipeline.run import Run

_PATH = Path("runs/demo")
_EXAMPLE, _LABEL = "Not a single dull moment.", "pos"


class Stage(NamedTuple):
    """A part of the demo: whether it is done, and how it is done."""

    name: str
    done: bool
    do: Callable[[], Any]


def main() -> None:
    """Run the demo as a program."""
    sys.exit(cli.guarded(lambda: demo(_PATH, Console())))


def demo(path: Path, console: Console) -> None:
    """Fetch, train, evaluate, export and verify in the run directory `path`, and show the result.

    Raises:
        PipelineError: a stage cannot be done.
    """
    started = time.perf_counter()
    quiet.load_tensorflow()
    run = Run.create(path, recipes.get("sentiment").presets["demo"]())
    for number, stage in enumerate(_stages(run), start=1):
        state = "done before, and kept" if stage.done else "…"
        console.print(f"[bold]{number}. {stage.name}[/bold] {state}", highlight=False)
        if not stage.done:
            stage.do()
    _conclude(run, time.perf_counter() - started, console)


def _stages(run: Run[Any]) -> Iterator[Stage]:
    """Give each stage when its turn comes, so that it sees what the ones before it have done."""
    from pipeline import export, train
    from pipeline.data import sources
    from pipeline.data.cache import cache_directory

    data = run.config.data
    prepared = (cache_directory() / "tfds" / data.removeprefix("tfds:")).is_dir()
    yield Stage("Fetch the reviews", prepared, lambda: sources.read(data))
    yield Stage("Train", run.finished, lambda: cli.train_run(run))
    yield Stage("Evaluate", bool(run.results), lambda: train.evaluate(run))
    yield Stage("Export", run.exports.exists(), lambda: export.export(run))
    yield Stage("Verify", False, lambda: export.verify(run.exports))


def _conclude(run: Run[Any], seconds: float, console: Console) -> None:
    name = f"{run.config.cell}, {run.config.units} units"
    console.print(tables.results(run.results, name).terminal())
    artifact = paths.load(run.exports)
    console.print(tables.parity(artifact.proofs).terminal())
    recurrent = _shown(Path(sys.executable).with_name("recurrent"))
    for line in (
        f"ONNX operators: {tables.operators(artifact.report.operators or {})}",
        f"Time: {seconds:.0f} s. Everything is in {run.path}.",
        f'"{_EXAMPLE}" is read as {_read(run)}.',
        "",
        "Next:",
        f'  {recurrent} predict {run.path} "{_EXAMPLE}"',
        f"  {recurrent} train sentiment --cell lstm --units 128",
        f"  {recurrent} train --help",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def _read(run: Run[Any]) -> str:
    """What the model says about the example, and whether that is wrong."""
    (answer,) = run.task.predict(run, [_EXAMPLE])
    label, probability, _ = answer.text.split("\t")
    said = f"{label} with probability {probability}"
    return said if label == _LABEL else f"{said}, which is wrong: it is {_LABEL}"


def _shown(program: Path) -> str:
    """The shortest way to call `program` from here."""
    if shutil.which(program.name) == str(program):
        return program.name
    here = Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)


if __name__ == "__main__":
    main()
