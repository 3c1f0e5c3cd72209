"""Translations of TFDS by name: its languages and splits, made-up examples."""

import pytest
import tensorflow_datasets as tfds

from pipeline.data import loading
from pipeline.data.translations import SOURCES, words
from tests.pipeline.served import served
from tests.pipeline.talks import told


def test_every_pair_of_languages_is_there() -> None:
    builder = tfds.builder_cls("ted_hrlr_translate")
    assert {f"ted_hrlr_translate/{each.name}" for each in builder.BUILDER_CONFIGS} == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_a_sentence_leads_to_its_translation(name: str) -> None:
    source, target = tfds.builder(name).info.supervised_keys
    read = SOURCES[name].read({source: b"Ah, Mundo!", target: b"ah , world !"})
    assert read == (("ah", ",", "mundo", "!"), ("ah", ",", "world", "!"))


def test_the_official_test_split_stays_as_it_is() -> None:
    first, other = ({"pt": each, "en": each} for each in "ab")
    with served({"train": [first], "validation": [], "test": [other, other]}):
        loaded = loading.load("ted_hrlr_translate/pt_to_en", SOURCES)
    assert loaded.train == [(("a",), ("a",))] and loaded.test == 2 * [(("b",), ("b",))]


def test_what_is_tested_is_not_learnt_from() -> None:
    pairs = told(60, seed=0)
    train, validation, test = pairs[:40], pairs[30:50], pairs[45:]
    with served({"train": train + test[:3], "validation": validation, "test": test}):
        loaded = loading.load("ted_hrlr_translate/pt_to_en", SOURCES)
    sentences = [
        {" ".join(each.sentence) for each in split}
        for split in (loaded.train, loaded.validation, loaded.test)
    ]
    parts = (pairs[:30], pairs[30:45], test)
    assert sentences == [{str(each["pt"]) for each in part} for part in parts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("É difícil, não?", ("é", "difícil", ",", "não", "?")),
        ("о чём  это\n", ("о", "чём", "это")),
        ("50% d'água", ("50", "%", "d", "'", "água")),
        (" \n", ()),
    ],
)
def test_marks_are_words(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected
