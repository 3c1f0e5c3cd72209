"""Sentences drawn from reviews, to learn from beside them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.features.excerpts import excerpts

TEXTS = st.lists(st.text(alphabet="ab .!?\n", min_size=1, max_size=60))


@given(TEXTS, st.integers(0, 4), st.integers(0, 9))
def test_each_text_gives_as_many_pieces_of_itself_as_are_asked_for(
    texts: list[str], count: int, seed: int
) -> None:
    drawn = list(excerpts(texts, count, seed))
    assert [row for row, _ in drawn] == [row for row in range(len(texts)) for _ in range(count)]
    assert all(sentence in texts[row] for row, sentence in drawn)


@given(TEXTS, st.integers(0, 9))
def test_the_seed_alone_decides_what_is_drawn(texts: list[str], seed: int) -> None:
    first = list(excerpts(texts, 3, seed))
    np.random.random()  # what others draw changes nothing
    assert list(excerpts(texts, 3, seed)) == first


def test_what_is_drawn_are_whole_sentences_of_four_words_or_more() -> None:
    text = "Oh no. I did not like it at all!! Was it too long? Avoid"
    drawn = {sentence.strip() for _, sentence in excerpts([text], 50, seed=0)}
    assert drawn == {"I did not like it at all!!", "Was it too long?"}


def test_a_text_of_few_words_is_drawn_whole() -> None:
    assert list(excerpts(["Avoid. At any cost."], 2, seed=0)) == [(0, "Avoid. At any cost.")] * 2
