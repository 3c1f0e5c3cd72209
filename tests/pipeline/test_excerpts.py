"""Sentences drawn from reviews, to learn from beside them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.reviews import Review
from pipeline.parts.excerpts import excerpts

REVIEWS = st.lists(
    st.builds(Review, st.text(alphabet="ab .!?\n", min_size=1, max_size=60), st.integers(0, 1))
)


@given(REVIEWS, st.integers(0, 4), st.integers(0, 9))
def test_each_review_gives_as_many_pieces_of_itself_as_are_asked_for(
    reviews: list[Review], count: int, seed: int
) -> None:
    drawn = list(excerpts(reviews, count, seed))
    assert len(drawn) == count * len(reviews)
    for place, (text, label) in enumerate(drawn):
        whole = reviews[place // count]
        assert text in whole.text
        assert label == whole.label


@given(REVIEWS, st.integers(0, 9))
def test_the_seed_alone_decides_what_is_drawn(reviews: list[Review], seed: int) -> None:
    first = list(excerpts(reviews, 3, seed))
    np.random.random()  # what others draw changes nothing
    assert list(excerpts(reviews, 3, seed)) == first


def test_what_is_drawn_are_whole_sentences_of_four_words_or_more() -> None:
    review = Review("Oh no. I did not like it at all!! Was it too long? Avoid", 0)
    drawn = {text.strip() for text, _ in excerpts([review], 50, seed=0)}
    assert drawn == {"I did not like it at all!!", "Was it too long?"}


def test_a_review_of_few_words_is_drawn_whole() -> None:
    assert (
        list(excerpts([Review("Avoid. At any cost.", 0)], 2, seed=0))
        == [Review("Avoid. At any cost.", 0)] * 2
    )
