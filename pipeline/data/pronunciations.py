"""Words and how they are pronounced, in the letters and phonemes of the CMU dictionary."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from pipeline.data.loading import Source

Pronunciation = tuple[str, ...]

LETTERS = "'-.abcdefghijklmnopqrstuvwxyz"
STRESSES = "012"  # none, primary, secondary: written behind a vowel
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
PHONEMES = (
    *CONSONANTS.split(),
    *(vowel + stress for vowel in VOWELS.split() for stress in STRESSES),
)


class Word(NamedTuple):
    """How a word is spelt, and all its pronunciations, the most usual one first."""

    spelling: str
    pronunciations: tuple[Pronunciation, ...]


def without_stress(pronunciation: Pronunciation) -> Pronunciation:
    """Drop the marks of stress."""
    return tuple(phoneme.rstrip(STRESSES) for phoneme in pronunciation)


def _read(features: Mapping[str, Any]) -> Word:
    pronunciations = features["pronunciations"]
    return Word(
        features["word"].decode(), tuple(tuple(each.decode().split()) for each in pronunciations)
    )


SOURCES = {"cmudict": Source(_read, attrgetter("spelling"))}
