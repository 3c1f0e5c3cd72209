"""A run begins alike on a machine that has its data and on one that prepares them first."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline import config, recipes, train
from pipeline.data import cache, packaged
from pipeline.data.builders import bouncing_ball
from pipeline.data.packaged import PackagedBuilder
from pipeline.run import Run

DATA = {
    "caption",
    "classify",
    "forecast",
    "language",
    "regress",
    "tag",
    "transduce",
}  # recipes that name no data
TINY: dict[str, Any] = {"limit": 16, "epochs": 1, "units": 4, "batch_size": 16}
SERIES = (
    "bouncing_ball",
    "glucose",
    "hawkeye",
    "sea_temperature",
)  # of which the beginning is enough
ENOUGH = 400  # examples of a data set, of which each split has 16


class BegunError(Exception):
    """Training begins."""


def offline(name: str) -> bool:
    """Whether a package has a data set, or it is generated: no download from elsewhere."""
    downloaded = set(tfds.list_builders()) - {name.split("/")[0] for name in packaged.names()}
    return name.removeprefix("tfds:").split("/")[0] not in downloaded


def smallest(recipe: str) -> Iterator[Any]:
    """The smallest run on each data set, of the first preset on it."""
    presets = [preset() for preset in recipes.get(recipe).presets.values()]
    for name in filter(offline, dict.fromkeys(each.data for each in presets)):
        yield config.merge(next(each for each in presets if each.data == name), TINY)


@contextmanager
def thinned(folder: Path) -> Iterator[None]:
    """An empty cache but for the packages, of whose examples every n-th is prepared."""
    (folder / "packages").mkdir(parents=True)
    for archive in (cache.cache_directory() / "packages").glob("*"):
        (folder / "packages" / archive.name).symlink_to(archive)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cache.VARIABLE, str(folder))
        patch.setattr(bouncing_ball, "BALLS", {"train": 8, "validation": 4, "test": 4})
        for builder in PackagedBuilder.__subclasses__():
            patch.setattr(builder, "_contents", every_nth(builder._contents))
        yield


def every_nth(contents: Any) -> Any:
    def some(builder: PackagedBuilder) -> list[Any]:
        found = list(contents(builder))
        return (
            found[: 2 * ENOUGH] if builder.name in SERIES else found[:: len(found) // ENOUGH or 1]
        )

    return some


def beginning(run: Run[Any]) -> list[Any]:
    """Weights, the first batch, and the numbers that are drawn next, as training begins."""
    found: list[Any] = []

    def fit(model: keras.Model, batches: Any, **_: Any) -> None:
        drawn = random.random(), np.random.random(), keras.random.uniform((1,))
        found.extend([*model.get_weights(), *keras.tree.flatten(next(iter(batches))), *drawn])
        raise BegunError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", fit)
        with pytest.raises(BegunError):
            next(train.epochs(run))
    return [each.numpy() if hasattr(each, "numpy") else each for each in found]


@pytest.mark.parametrize("recipe", sorted({*recipes.names()} - DATA))
def test_a_run_begins_alike_whether_its_data_were_prepared_or_not(
    recipe: str, tmp_path: Path
) -> None:
    if not (runs := list(smallest(recipe))):
        pytest.skip("all its data sets are downloads of TFDS")
    for chosen in runs:
        folder = tmp_path / re.sub(r"\W", "-", chosen.data)
        with thinned(folder / "cache"):
            cold, warm = (beginning(Run.create(folder / name, chosen)) for name in ("cold", "warm"))
        assert len(cold) == len(warm)
        for one, two in zip(cold, warm, strict=True):
            np.testing.assert_array_equal(one, two, err_msg=chosen.data)
