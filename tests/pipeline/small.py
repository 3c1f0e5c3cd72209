"""Runs small enough for a test."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from pipeline import config, quiet, recipes
from pipeline.config import C
from pipeline.config.classify import ClassifyConfig
from pipeline.run import Run

SMALL = {
    "data": "tfds:movie_reviews/imdb",
    "excerpts": 0,
    "limit": 48,
    "epochs": 2,
    "units": 4,
    "bidirectional": False,
    "embedding_dim": 4,
    "bigram_buckets": 64,
    "batch_size": 16,
    "max_length": 30,
    "vocabulary_size": 500,
    "dropout": 0.2,
    "word_dropout": 0.2,
}


class Outcome(NamedTuple):
    """What a call of the command came to."""

    status: int
    out: str
    err: str


def small(**settings: Any) -> ClassifyConfig:
    return config.merge(recipes.get("sentiment").presets["demo"](), SMALL, settings)


def trained(path: Path, settings: C, baselines: Sequence[str] | None = None) -> Run[C]:
    """A run, trained, and tested beside `baselines`, or all of its task."""
    quiet.load_tensorflow()
    from pipeline import train

    run = Run.create(path, settings)
    train.train(run)
    known = run.task.baselines(run)
    train.evaluate(run, {name: known[name] for name in (known if baselines is None else baselines)})
    return run


def rank_by(patch: pytest.MonkeyPatch, run: Run[Any], rank: Callable[[Any], float]) -> None:
    """Let `rank` say how good an epoch of the task of `run` was."""
    patch.setattr(type(run.task), "monitor", lambda *_: SimpleNamespace(rank=rank))


def options(**settings: Any) -> list[str]:
    """The settings of a small run, as options of the command line."""
    given = {**SMALL, **settings}
    flags = [] if given.pop("bidirectional") else ["--no-bidirectional"]
    return [*flags, *(f"--{name.replace('_', '-')}={value}" for name, value in given.items())]


def copy(run: Run[ClassifyConfig], folder: Path) -> Run[ClassifyConfig]:
    """A copy of a run, to be spoilt."""
    shutil.copytree(run.path, folder)
    return Run.open(folder)


def truncate(path: Path, kept: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])


@contextlib.contextmanager
def interrupted() -> Iterator[None]:
    """Ctrl-C, as the second epoch of any run begins."""
    import keras

    fit = keras.Model.fit

    def stopped(model: keras.Model, *given: Any, initial_epoch: int, **options: Any) -> Any:
        if initial_epoch == 1:
            raise KeyboardInterrupt
        return fit(model, *given, initial_epoch=initial_epoch, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", stopped)
        yield
