"""Small runs of presets whose models are not trained."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import config, quiet, recipes
from pipeline.models import seq2seq
from pipeline.run import Run
from tests.pipeline.dictionaries import dictionary, made_up_lines
from tests.pipeline.served import Example, served
from tests.pipeline.voices import whistled

SHORT = {
    "limit": 16,
    "epochs": 1,
    "units": 3,
    "batch_size": 8,
    "embedding_dim": 4,
    "filters": 2,
}
FEWER: dict[str, dict[str, Any]] = {  # and whatever else makes a preset small
    "adding": {"data": "tfds:adding/gap_4"},
    "copying": {"data": "tfds:copying/gap_1"},
    "country": {"data": "tfds:country/gap_10"},
    "next_char": {"window": 30},
}


def split(draw: Callable[[int], list[Example]]) -> dict[str, list[Example]]:
    """Draw each split by a seed of its own."""
    return {name: draw(seed) for seed, name in enumerate(("train", "validation", "test"))}


@contextmanager
def made_up(preset: str, folder: Path) -> Iterator[None]:
    """The data of a preset, where those there are cannot be had in a test, or take long."""
    served_by_tfds: dict[str, Callable[[], dict[str, list[Example]]]] = {
        "speech_commands": lambda: split(partial(whistled, 16_000, 12, 12)),
        "spoken_digit": lambda: {"train": whistled(8_000, 10, 60, seed=0)},
    }
    with ExitStack() as stack:
        if preset in served_by_tfds:
            stack.enter_context(served(served_by_tfds[preset]()))
        if preset == "pronounce":
            stack.enter_context(dictionary(made_up_lines(60), folder))
        yield


@contextmanager
def run_of(name: str, preset: str, folder: Path, **settings: Any) -> Iterator[Run[Any]]:
    """A small run of a preset, and its data for as long as it is looked at."""
    chosen = recipes.get(name).presets[preset]()
    fewer = {each: value for each, value in SHORT.items() if hasattr(chosen, each)}
    with made_up(preset, folder):
        yield untested(folder / "run", config.merge(chosen, fewer, FEWER.get(preset, {}), settings))


def untested(path: Path, settings: Any) -> Run[Any]:
    """A run of one model, not trained: what it says is as true."""
    quiet.load_tensorflow()
    import keras

    run: Run[Any] = Run.create(path, settings)
    keras.utils.set_random_seed(settings.seed)
    ranked = ("validation_loss", "validation_accuracy", "validation_greedy_accuracy")
    figures = {"epoch": 1, "seconds": 0.0, **dict.fromkeys(ranked, 0.0)}
    model = run.task.model(settings, run.task.data(run))
    if any(each.name == "previous" for each in model.inputs):
        bias = model.get_layer("probabilities").bias
        bias.assign(bias + 2 * np.eye(bias.shape[0])[seq2seq.BOUNDARY])  # it comes to an end
    run.commit(model, figures)
    return run
