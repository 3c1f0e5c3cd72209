"""Which sentences count as negated."""

import pytest

from benchmarks import negation


@pytest.mark.parametrize(
    "text",
    [
        "Not a word of it is true.",
        "it doesn't work",
        "I CAN'T recommend it",
        "nothing happens , and nobody cares",
        "without a doubt",
        "hardly ever seen",
    ],
)
def test_a_negation_is_found(text: str) -> None:
    assert negation.negated(text)


@pytest.mark.parametrize(
    "text",
    ["A notable film.", "the north knows", "another novel", "unhappy, and a nobodys"],
)
def test_a_word_that_begins_like_one_is_none(text: str) -> None:
    assert not negation.negated(text)


def test_every_short_sentence_has_a_label_and_half_praise() -> None:
    reviews = negation.short_reviews()
    assert len(set(reviews.inputs)) == 30
    assert {*reviews.targets} == {("neg",), ("pos",)}
    assert 10 <= reviews.targets.count(("pos",)) <= 20
