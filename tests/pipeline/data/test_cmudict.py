"""The TFDS builder of pronunciations: whole, and in splits that anybody can recompute."""

import hashlib
from pathlib import Path

import pytest

from pipeline.config.transduce import TransduceConfig
from pipeline.data import pairs
from pipeline.data.builders.cmudict import Cmudict
from tests.pipeline.dictionaries import dictionary, real_lines

COUNTS = {"train": 107_665, "validation": 5_747, "test": 12_640}
FEW = """
'bout B AW1 T
aalto AA1 L T OW2 # name, finnish
record R AH0 K AO1 R D
record(2) R EH1 K ER0 D
record(3) R IH0 K AO1 R D
record(4) R AH0 K AO1 R D
zoos Z UW1 Z
"""


def split_of(word: str) -> str:
    """The rule, written out: the last digit of the SHA-1, then the two before it."""
    digits = f"{int(hashlib.sha1(word.encode()).hexdigest(), 16):050d}"
    if digits[-1] == "0":
        return "test"
    return "validation" if int(digits[-3:-1]) % 20 == 0 else "train"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    """Every word of the real dictionary."""
    builder = Cmudict(data_dir=tmp_path_factory.mktemp("tfds"))
    return {word: tuple(found["pronunciations"]) for word, found in builder._contents()}


def test_the_dictionary_is_whole(real: dict[str, tuple[str, ...]]) -> None:
    lines = real_lines()
    assert len(lines) == 135_166
    # Two words have one of their pronunciations twice.
    assert sum(map(len, real.values())) == len(lines) - 2
    assert set("".join(real)) == set("'-.abcdefghijklmnopqrstuvwxyz")
    found = {phoneme for each in real.values() for text in each for phoneme in text.split()}
    assert len(found) == 69 and len({phoneme.rstrip("012") for phoneme in found}) == 39
    assert real["tomato"] == ("T AH0 M EY1 T OW2", "T AH0 M AA1 T OW2")
    assert real["d'artagnan"] == ("D AH0 R T AE1 NG Y AH0 N",)  # a comment is behind it


def test_splits_follow_the_rule(real: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    builder = Cmudict(data_dir=tmp_path)
    places = [builder._split_of(word) for word in real]
    assert places == [split_of(word) for word in real]
    assert {name: places.count(name) for name in COUNTS} == COUNTS


def test_a_word_has_all_its_pronunciations_once(tmp_path: Path) -> None:
    lines = [*FEW.strip().splitlines(), *real_lines()[50_000:50_200]]
    with dictionary(lines, tmp_path):
        config = TransduceConfig(
            task="transduce", data="tfds:cmudict", source="word", target="pronunciations"
        )
        loaded = pairs.load(config)
    splits = {"train": loaded.train, "validation": loaded.validation, "test": loaded.test}
    words = {word.source: word for split in splits.values() for word in split}
    assert words.keys() == {line.split()[0].partition("(")[0] for line in lines}
    for name, split in splits.items():
        assert {split_of(word.source) for word in split} == {name}
    assert words["record"].targets == ("R AH0 K AO1 R D", "R EH1 K ER0 D", "R IH0 K AO1 R D")
    assert words["aalto"].targets == ("AA1 L T OW2",)
