"""The TFDS builder `turkish_treebank`: Turkish sentences, and the part of speech of each word."""

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder

PACKAGE = packages.Wheel(
    name="turkish-treebanks",
    version="1.0.0",
    digest="5a009c29a8e96e8f7e25059d59ac293c3baead6d746bf0fa4c9d3349b1e37ba0",
)
MEMBERS = ("data/web.conllu", "data/wiki.conllu")
TAGS = (
    *("ADJ", "ADP", "ADV", "AFFIX", "CONJ", "DET", "NOUN"),
    *("NUM", "ONOM", "PRON", "PRT", "PUNCT", "VERB", "X"),
)

_FORM, _TAG, _RELATION = 1, 3, 7  # columns of CoNLL-U
_PART = "ig"  # the relation of a part of a word to the part after it

_DESCRIPTION = """
The Turkish Web Treebank, as the package turkish-treebanks has it: 4,851 sentences from web pages
and from Wikipedia, whose words linguists tagged. The treebank cuts a word that is derived from
another into parts, each with a tag; here the parts are one word again, with the tag of its last
part, which is that of the word. A sentence occurs once. The SHA-1 of its words, a line each,
decides its split: modulo 10 below 2 is test; of the rest, a tenth is validation.
"""
_CITATION = """
@inproceedings{kayadelen2020gold,
  title = {A Gold Standard Dependency Treebank for {T}urkish},
  author = {Kayadelen, Tolga and {\\"O}zt{\\"u}rel, Adnan and Bohnet, Bernd},
  booktitle = {Proceedings of the 12th Language Resources and Evaluation Conference},
  year = {2020},
}
"""


class TurkishTreebank(PackagedBuilder):
    """Sentences out of the package `turkish-treebanks`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The sentences of turkish-treebanks 1.0.0."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "tokens": tfds.features.Sequence(tfds.features.Text()),
                    "tags": tfds.features.Sequence(tfds.features.ClassLabel(names=TAGS)),
                }
            ),
            supervised_keys=("tokens", "tags"),
            homepage="https://github.com/google-research-datasets/turkish-treebanks",
            citation=_CITATION,
            license="Apache-2.0",
        )

    def _contents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for member in MEMBERS:
            for block in packages.read(PACKAGE, member).decode().split("\n\n"):
                lines = (line for line in block.splitlines() if line and line[0] != "#")
                if words := list(_words([line.split("\t") for line in lines])):
                    tokens, tags = map(list, zip(*words, strict=True))
                    yield "\n".join(tokens), {"tokens": tokens, "tags": tags}


def _words(parts: list[list[str]]) -> Iterator[tuple[str, str]]:
    """Put the parts of each word together; its tag is that of the last one."""
    word = ""
    for part in parts:
        word += part[_FORM]
        if part[_RELATION] != _PART:
            yield word, part[_TAG]
            word = ""
