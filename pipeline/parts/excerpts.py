"""Single sentences of texts, to learn from beside the whole texts."""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.data.reviews import Review

_SENTENCE = re.compile(r"[^.!?]+[.!?]*")
_WORDS = 4  # that a sentence has at least: shorter ones are headings, numbers and the like


def excerpts(reviews: Iterable[Review], count: int, seed: int) -> Iterator[Review]:
    """Draw `count` sentences of each review, with repetition; each has the label of its review.

    A review without a sentence of four words is drawn whole.
    """
    random = np.random.default_rng(seed)
    for review in reviews:
        found = [each for each in _SENTENCE.findall(review.text) if len(each.split()) >= _WORDS]
        sentences = found or [review.text]
        for place in random.integers(len(sentences), size=count):
            yield Review(sentences[place], review.label)
