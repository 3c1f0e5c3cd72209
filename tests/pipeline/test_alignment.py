"""Letters and phonemes: words made of known chunks are taken apart again."""

import numpy as np
import pytest

from pipeline.baselines.alignment import align, phonemes

SIZE = 9
# Letter 1 is silent, letter 2 stands for either of two phonemes, letter 5 for two at once.
CHUNKS = {1: [0], 2: [2, 3], 3: [4], 4: [5], 5: [6 * SIZE + 7], 6: [8]}


@pytest.fixture(scope="module")
def made() -> list[tuple[list[int], list[int]]]:
    """The letters of 300 words, and their chunks."""
    random = np.random.default_rng(0)
    words = [random.integers(1, 7, size=random.integers(1, 8)).tolist() for _ in range(300)]
    return [(word, [int(random.choice(CHUNKS[letter])) for letter in word]) for word in words]


def spoken(chunks: list[int]) -> list[int]:
    return [phoneme for chunk in chunks for phoneme in phonemes(chunk, SIZE)]


def test_a_chunk_is_its_phonemes() -> None:
    assert [phonemes(chunk, SIZE) for chunk in (0, 4, 6 * SIZE + 7)] == [(), (4,), (6, 7)]


def test_words_are_taken_apart_into_what_they_were_made_of(
    made: list[tuple[list[int], list[int]]],
) -> None:
    pairs = [(letters, spoken(chunks)) for letters, chunks in made]
    kept = [place for place, (_, sound) in enumerate(pairs) if sound]
    found = align([pairs[place] for place in kept], SIZE)
    assert found == [made[place][1] for place in kept]


def test_a_word_of_too_many_phonemes_is_left_out() -> None:
    found = align([([3], [4]), ([3, 4], [4, 5, 4, 5, 4])], SIZE)
    assert found == [[4], None]
