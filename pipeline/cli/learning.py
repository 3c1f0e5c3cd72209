"""The verbs that train: train, compare, sweep."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.cli.program import FiniteRange
from pipeline.cli.settings import FOLDER, OfTask, chosen
from pipeline.messages import say

_GO_ON = "the same command goes on from there"


def _train(
    recipe: Any,
    path: Path | None,
    preset: str,
    file: Path | None,
    changes: Sequence[str],
    tensorboard: bool,
    checkpoint_minutes: float | None,
    **flags: Any,
) -> None:
    from pipeline import quiet

    config, _ = chosen(recipe, preset, file, changes, flags)
    quiet.load_tensorflow()
    from pipeline import folds, tables
    from pipeline.run import Run, default_path

    minutes = math.inf if checkpoint_minutes is None else checkpoint_minutes
    options = {"tensorboard": tensorboard, "checkpoint_minutes": minutes}
    path = path or default_path(config)
    if folds.are_wanted(config):
        _measure_folds(path, config, **options)
        return
    run = Run.create(path, config)
    if run.finished:
        say(f"{run.path} is trained already")
    train_run(run, **options)
    click.echo(f"{run.path}: best epoch {run.best['epoch']}, {tables.line(run.best)}")
    say(f"next: recurrent evaluate {run.path} --baselines")


def _measure_folds(path: Path, config: Any, **options: Any) -> None:
    from rich.console import Console

    from pipeline import folds

    try:
        runs = folds.measure(path, config, **options)
    except KeyboardInterrupt as stop:
        stop.add_note(f"what is done is kept in {path}, and {_GO_ON}")
        raise
    Console().print(folds.table(runs).terminal())
    say(f"written to {path / 'folds.md'} and .json; the latest model is {runs[-1].path}")


def _init(
    recipe: Any, preset: str, file: Path | None, changes: Sequence[str], **flags: Any
) -> None:
    from pipeline import config_files

    config, _ = chosen(recipe, preset, file, changes, flags)
    click.echo(config_files.to_yaml(config), nl=False)


def train_run(run: Any, **options: Any) -> None:
    """Train `run` as `pipeline.train.train` does; say how to go on if the user interrupts."""
    from pipeline.train import train

    try:
        train(run, **options)
    except KeyboardInterrupt as stop:
        done = len(run.metrics)
        inside = " and a part of the next" if run.inside(done + 1).exists() else ""
        kept = f"{done} of {run.config.epochs} epochs{inside} are kept in {run.path}"
        stop.add_note(f"{kept}, and {_GO_ON}")
        raise


def _compare(
    recipe: Any,
    path: Path | None,
    preset: str,
    file: Path | None,
    changes: Sequence[str],
    cells: str,
    seeds: int,
    **flags: Any,
) -> None:
    from pipeline import quiet

    config, _ = chosen(recipe, preset, file, changes, flags)
    quiet.load_tensorflow()
    from rich.console import Console

    from pipeline.compare import compare, default_path

    path = path or default_path(config)
    try:
        table = compare(path, config, cells.split(","), seeds)
    except KeyboardInterrupt as stop:
        stop.add_note(f"what is done is kept in {path}, and {_GO_ON}")
        raise
    Console().print(table.terminal())
    say(f"written to {path / 'comparison.md'}, .json, .svg and .png")


def _sweep(
    recipe: Any,
    path: Path | None,
    preset: str,
    file: Path | None,
    changes: Sequence[str],
    trials: int,
    storage: str | None,
    name: str | None,
    timeout: float | None,
    **flags: Any,
) -> None:
    from pipeline import quiet

    config, given = chosen(recipe, preset, file, changes, flags)
    quiet.load_tensorflow()
    from rich.console import Console

    from pipeline import sweep

    with sweep.joined(config, given, path, storage, name) as joined:
        try:
            sweep.search(joined, trials, math.inf if timeout is None else timeout)
        except KeyboardInterrupt as stop:
            kept = f"what is done is kept in the sweep {joined.study.study_name}"
            stop.add_note(f"{kept}, and {_GO_ON}")
            raise
        Console().print(sweep.best_trials(joined).terminal())
    say(f"next: recurrent train {config.recipe_name} --config {joined.path / 'best.json'}")


def _folder(help: str) -> click.Option:
    return click.Option(["--run", "path"], type=FOLDER, help=help)


VERBS = (
    OfTask(
        "train",
        does=_train,
        options=[
            _folder("Run directory.  [default: one in runs/, named after the settings]"),
            click.Option(
                ["--tensorboard"], is_flag=True, help="Write curves for TensorBoard, too."
            ),
            click.Option(
                ["--checkpoint-minutes"],
                type=FiniteRange(min=0, min_open=True),
                help="Write a checkpoint inside an epoch every so many minutes.  [default: none]",
            ),
        ],
        about="Learn {}.\n\nA setting given here beats one in the file, and that one beats the "
        "preset. The same command goes on with a run that was stopped.",
        help="Train a model, or go on with a run that was stopped.\n\n"
        "For the settings of a task: recurrent train TASK --help",
    ),
    OfTask(
        "init",
        does=_init,
        options=[],
        about="Print the settings to learn {}, as YAML with a comment each.\n\nTo train with them: "
        "recurrent init ... > run.yaml, then recurrent train ... --config run.yaml",
        help="Print settings, to be changed in a file.\n\n"
        "For the settings of a task: recurrent init TASK --help",
    ),
    OfTask(
        "compare",
        does=_compare,
        options=[
            click.Option(
                ["--cells"],
                default="rnn,irnn,gru,lstm",
                show_default=True,
                help="Layers of custom_layers, with commas between them.",
            ),
            click.Option(
                ["--seeds"],
                type=click.IntRange(min=1),
                default=1,
                show_default=True,
                help="Number of seeds per cell, counted up from --seed.",
            ),
            _folder("Directory of the runs.  [default: one in runs/, named after the settings]"),
        ],
        without=["cell"],
        about="Compare cells that learn {}.\n\nEach is trained with the same settings, and tested "
        "beside the baselines. The same command goes on where it was stopped; a run that is done "
        "is not trained again.",
        help="Train several cells alike, and compare them.\n\n"
        "For the settings of a task: recurrent compare TASK --help",
    ),
    OfTask(
        "sweep",
        does=_sweep,
        options=[
            click.Option(
                ["--trials"],
                type=click.IntRange(min=1),
                required=True,
                help="How many trials the sweep is to have in the end, from all processes.",
            ),
            click.Option(
                ["--storage"],
                help="URL of a database that several processes may share.  "
                "[default: an SQLite file in the directory]",
            ),
            click.Option(
                ["--name"],
                help="Name of the sweep.  [default: that of the directory, or of the settings]",
            ),
            click.Option(
                ["--timeout"],
                type=FiniteRange(min=0, min_open=True),
                help="Begin no trial after so many seconds.",
            ),
            _folder("Directory of the sweep.  [default: one in runs/, named after the sweep]"),
        ],
        about="Search for good settings to learn {}.\n\nA setting given here keeps its value. The "
        "first trial has the settings of the file and the preset; then those are searched for "
        "which a range is known. The validation split decides. The same command goes on where it "
        "was stopped, and shares the sweep if it runs on another machine.",
        help="Search for good settings.\n\nFor the settings of a task: recurrent sweep TASK --help",
    ),
)
