"""Sentences and their translations, from any of the known data sets, in one shape."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pipeline.data.loading import Source

Words = tuple[str, ...]

# from and into: of two languages with an underscore, learning hears both, testing the first
_PAIRS = (
    *("az en", "az_tr en", "be en", "be_ru en", "es pt", "fr pt", "gl en", "gl_pt en"),
    *("he pt", "it pt", "pt en", "ru en", "ru pt", "tr en"),
)


class Translated(NamedTuple):
    """The words of a sentence, and those of its translation; marks of punctuation are words."""

    sentence: Words
    translation: Words


def words(text: str) -> Words:
    """Part `text` into words and marks, in lower case."""
    return tuple(re.findall(r"\w+|[^\w\s]", text.lower()))


def _reader(source: str, target: str) -> Callable[[Mapping[str, Any]], Translated]:
    """Return what reads an example; translations have spaces between their words already."""
    return lambda features: Translated(
        words(features[source].decode()), tuple(features[target].decode().split())
    )


def _content(translated: Translated) -> str:
    return " ".join(translated.sentence)


SOURCES = {
    f"ted_hrlr_translate/{source.replace('_', '')}_to_{target}": Source(
        _reader(source, target), _content
    )
    for source, target in map(str.split, _PAIRS)
}
