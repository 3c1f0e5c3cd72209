"""The TFDS builder `country`: texts that end by asking where the narrator grew up."""

from itertools import product
from typing import Any

import tensorflow_datasets as tfds

from pipeline.data.drawn import DrawnBuilder, Random

LANGUAGES = {
    "denmark": "danish",
    "france": "french",
    "germany": "german",
    "greece": "greek",
    "hungary": "hungarian",
    "italy": "italian",
    "japan": "japanese",
    "poland": "polish",
    "spain": "spanish",
    "turkey": "turkish",
}
HOME, END = ["i", "grew", "up", "in"], ["i", "speak", "fluent"]
SENTENCE = 5  # words of a sentence about a country, whether the home or another
_LEAD = 2 * SENTENCE  # words before that of the home
_COUNTRIES = tuple(LANGUAGES)
_ABROAD = [
    text.split()
    for text in (
        "he grew up in",
        "we once flew to",
        "she wrote letters from",
        "they sold shoes to",
        "my aunt moved to",
        "the wine came from",
    )
]
_NOUNS = ["baker", "cat", "clock", "door", "garden", "market", "river", "street"]
_ADJECTIVES = ["cold", "little", "new", "old", "quiet", "red"]
_VERBS = ["changed", "closed", "opened", "slept", "turned", "waited"]
_TIMES = ["again", "early", "late", "today"]
_FILLER: dict[int, list[tuple[str, ...]]] = {
    1: [(time,) for time in _TIMES],
    3: list(product(["the"], _NOUNS, _VERBS)),
    4: list(product(["the"], _ADJECTIVES, _NOUNS, _VERBS)),
    5: list(product(["the"], _ADJECTIVES, _NOUNS, _VERBS, _TIMES)),
}

_DESCRIPTION = """
Texts of a grammar of their own. "i grew up in france ... i speak fluent" asks for french. Two other
countries are named on the way. The config says how many words stand between home and question.
"""


class Country(DrawnBuilder):
    """Texts, and the language of the country that the narrator grew up in."""

    name = "country"
    shortest = SENTENCE  # a sentence about another country fits

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "language": tfds.features.ClassLabel(names=[*LANGUAGES.values()]),
                }
            ),
            supervised_keys=("text", "language"),
        )

    def _draw(self, random: Random) -> tuple[str, dict[str, Any]]:
        text, language = draw(random, self.gap)
        return text, {"text": text, "language": language}


def draw(random: Random, gap: int) -> tuple[str, str]:
    """Write a text with `gap` words between the home and the question; give it and its answer.

    Two other countries are named, in the ten words before the home's sentence or in the gap.
    """
    home, *others = random.permutation(len(_COUNTRIES))[:3]
    before = random.integers(2 - min(gap // SENTENCE, 2), 3)
    lead = _filled(random, [_COUNTRIES[other] for other in others[:before]], _LEAD)
    rest = _filled(random, [_COUNTRIES[other] for other in others[before:]], gap)
    text = " ".join([*lead, *HOME, _COUNTRIES[home], *rest, *END])
    return text, LANGUAGES[_COUNTRIES[home]]


def _filled(random: Random, named: list[str], words: int) -> list[str]:
    """Write `words` words: a sentence about each country of `named`, and filler around them."""
    sentences = [(*_ABROAD[random.integers(len(_ABROAD))], country) for country in named]
    left = words - SENTENCE * len(sentences)
    for first, second in random.random((left, 2)).tolist():  # one draw is faster than many
        if left:
            lengths = [length for length in (3, 4, 5) if length <= left] or [1]
            choices = _FILLER[lengths[int(first * len(lengths))]]
            sentences.append(choices[int(second * len(choices))])
            left -= len(sentences[-1])
    return [word for place in random.permutation(len(sentences)) for word in sentences[place]]
