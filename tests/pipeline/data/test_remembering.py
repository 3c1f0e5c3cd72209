"""Generated episodes: the answer follows from the sequence alone, and the splits are honest."""

import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from pipeline.data import loading, remembering
from pipeline.data.builders import mnist_5k
from pipeline.data.handwritten import SOURCES
from pipeline.data.packages import fetch
from pipeline.data.remembering import Episode


def texts(gap: int, limit: int = 200) -> list[tuple[str, str]]:
    """Texts of `country`, and the language of each."""
    languages = list(remembering.LANGUAGES.values())
    return [
        (" ".join(remembering.WORDS[word] for word in inputs), languages[target])
        for inputs, target in remembering.load("country", gap, limit).train
    ]


@pytest.mark.parametrize("gap", [5, 6, 7, 11, 20, 100])
def test_the_language_is_that_of_the_home_and_the_gap_is_what_was_asked_for(gap: int) -> None:
    for text, language in texts(gap):
        found = re.fullmatch(r"(.*) i grew up in (\w+) (.*) i speak fluent", text)
        assert found
        lead, home, rest = found.groups()
        assert remembering.LANGUAGES[home] == language
        assert len(lead.split()) == 10 and len(rest.split()) == gap
        others = [word for word in [*lead.split(), *rest.split()] if word in remembering.LANGUAGES]
        assert len(set(others)) == 2 and home not in others


def test_neither_the_order_of_the_countries_nor_chance_gives_the_home_away() -> None:
    places, languages = Counter[int](), Counter[str]()
    for text, language in texts(20, limit=600):
        named = [word for word in text.split() if word in remembering.LANGUAGES]
        places[[remembering.LANGUAGES[word] for word in named].index(language)] += 1
        languages[language] += 1
    assert min(places.values()) > 150
    assert len(languages) == 10 and max(languages.values()) < 90


def test_the_sum_is_that_of_the_two_marked_numbers() -> None:
    for inputs, target in remembering.load("adding", 50, 100).test:
        numbers, marks = inputs.T
        (first, second) = np.flatnonzero(marks)
        assert first < 25 <= second
        assert target == pytest.approx(numbers @ marks)
        assert numbers.min() >= 0 and numbers.max() < 1


def test_what_is_copied_stands_at_the_beginning() -> None:
    for inputs, target in remembering.load("copying", 7, 100).test:
        assert inputs.tolist() == [*(target + 1), *[9] * 7, *[10] * 10]
        assert set(target) <= set(range(8))


@pytest.mark.parametrize("name", remembering.DRAWN)
def test_episodes_are_the_same_each_time_and_split_by_their_content(name: str) -> None:
    first, again = (remembering.load(name, 9, 100) for _ in range(2))
    seen: set[bytes] = set()
    for split in ("train", "validation", "test"):
        episodes: list[Episode] = getattr(first, split)
        contents = [inputs.tobytes() for inputs, _ in episodes]
        assert contents == [inputs.tobytes() for inputs, _ in getattr(again, split)]
        assert len(contents) == 100 and not seen & set(contents)
        seen |= set(contents)
        for content in contents:
            digits = str(int(hashlib.sha1(content).hexdigest(), 16))
            right = "test" if digits[-1] in "01" else "validation" if digits[-2] == "0" else "train"
            assert split == right
    assert len(seen) == 300


def test_rows_are_those_of_the_picture_and_then_nothing() -> None:
    fetch(mnist_5k.PACKAGE)
    pictures = loading.load("mnist_5k", SOURCES, limit=20)
    episodes = remembering.load("mnist_5k", 3, 20)
    for (pixels, label), (inputs, target) in zip(pictures.test, episodes.test, strict=True):
        assert inputs.shape == (31, 28) and not inputs[28:].any()
        np.testing.assert_array_equal(np.rint(255 * inputs[:28]), pixels)
        assert label == target
