"""Single sentences of texts, to learn from beside the whole texts."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

_SENTENCE = re.compile(r"[^.!?]+[.!?]*")
_WORDS = 4  # that a sentence has at least: shorter ones are headings, numbers and the like


def excerpts(texts: Sequence[str], count: int, seed: int) -> Iterator[tuple[int, str]]:
    """Draw `count` sentences of each text, with repetition; give the number of the text, too.

    A text without a sentence of four words is drawn whole.
    """
    random = np.random.default_rng(seed)
    for row, text in enumerate(texts):
        found = [each for each in _SENTENCE.findall(text) if len(each.split()) >= _WORDS]
        sentences = found or [text]
        for place in random.integers(len(sentences), size=count):
            yield row, sentences[place]
