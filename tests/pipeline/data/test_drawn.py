"""Drawn data sets: the target follows from the sequence alone, and the gap is what is asked for."""

import re
from collections import Counter

import numpy as np
import pytest

from pipeline.data import columns, sources
from pipeline.data.builders import adding, country
from pipeline.data.builders.country import LANGUAGES
from pipeline.errors import PipelineError


def texts(gap: int, count: int = 200) -> list[tuple[str, str]]:
    """Texts of `country`, and the language of each."""
    random = np.random.default_rng(1)
    return [country.draw(random, gap) for _ in range(count)]


@pytest.mark.parametrize("gap", [5, 6, 7, 11, 20, 100])
def test_the_language_is_that_of_the_home_and_the_gap_is_what_was_asked_for(gap: int) -> None:
    for text, language in texts(gap):
        found = re.fullmatch(r"(.*) i grew up in (\w+) (.*) i speak fluent", text)
        assert found
        lead, home, rest = found.groups()
        assert LANGUAGES[home] == language
        assert len(lead.split()) == 10 and len(rest.split()) == gap
        others = [word for word in [*lead.split(), *rest.split()] if word in LANGUAGES]
        assert len(set(others)) == 2 and home not in others


def test_neither_the_order_of_the_countries_nor_chance_gives_the_home_away() -> None:
    places, languages = Counter[int](), Counter[str]()
    for text, language in texts(20, count=600):
        named = [word for word in text.split() if word in LANGUAGES]
        places[[LANGUAGES[word] for word in named].index(language)] += 1
        languages[language] += 1
    assert min(places.values()) > 150
    assert len(languages) == 10 and max(languages.values()) < 90


def test_the_sum_is_that_of_the_two_marked_numbers() -> None:
    random = np.random.default_rng(1)
    for steps in (2, 3, 50):
        inputs, total = adding.draw(random, steps)
        numbers, flags = inputs.T
        first, second = np.flatnonzero(flags)
        assert len(inputs) == steps and first < steps // 2 <= second
        assert total == pytest.approx(numbers @ flags)
        assert numbers.min() >= 0 and numbers.max() < 1


def test_what_is_copied_stands_at_the_beginning() -> None:
    table = sources.read("tfds:copying/gap_1")
    for signs, symbols in zip(table.column("signs"), table.column("symbols"), strict=True):
        assert signs == [*signs[:10], "blank", *["go"] * 10]
        assert symbols == [*[None] * 11, *signs[:10]]
    assert len({tuple(signs) for signs in table.column("signs")}) == len(table) > 27_000
    assert {*(table.splits or ())} == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("country/gap_4", "Name a gap of 5 steps or more: tfds:country/gap_100"),
        ("adding/gap_1", "Name a gap of 2 steps or more"),
        ("copying/long", "tfds:copying/long is not a data set"),
    ],
)
def test_a_gap_that_there_is_not_is_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said) as refused:
        sources.read(f"tfds:{name}")
    assert "\n" not in str(refused.value)


def test_a_picture_is_a_sequence_of_rows() -> None:
    table = sources.read("tfds:mnist_5k")
    picture = columns.to_vectors(table.column("image")[0])
    assert picture.shape == (28, 28) and picture.max() > 200
    assert not picture[0].any() and not picture[:, 0].any()  # the border
