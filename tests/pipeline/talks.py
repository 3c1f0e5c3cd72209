"""Sentences as TFDS has them, of a language small enough for a test; its adjectives come last."""

import numpy as np

from tests.pipeline.served import Example

WORDS = (
    {"o": "the", "um": "a"},
    {"gato": "cat", "livro": "book", "rio": "river", "homem": "man"},
    {"preto": "black", "novo": "new", "bom": "good"},
    {"tem": "has", "muda": "changes"},
    {"o": "the", "um": "a"},
    {"gato": "cat", "livro": "book", "rio": "river", "homem": "man"},
    {"preto": "black", "novo": "new", "bom": "good"},
    {".": ".", "!": "!", "?": "?"},
)
ENGLISH = (0, 2, 1, 3, 4, 6, 5, 7)  # where each word comes from


def told(count: int, seed: int) -> list[Example]:
    """Make `count` different sentences with their translation."""
    random = np.random.default_rng(seed)
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        drawn = [list(words)[random.integers(len(words))] for words in WORDS]
        pairs[" ".join(drawn)] = " ".join(WORDS[place][drawn[place]] for place in ENGLISH)
    return [{"pt": sentence, "en": translation} for sentence, translation in pairs.items()]
