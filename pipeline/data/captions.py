"""Pictures and what is said of them, from any of the known data sets, in one shape."""

import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from pipeline.data.loading import Source
from pipeline.data.pictures import Pixels

LETTERS = " abcdefghijklmnopqrstuvwxyz0123456789'-,.!?()&"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PHOTO = (64, 64)  # width and height that photographs are brought to


class Captioned(NamedTuple):
    """A picture `[height, width, channels]`, and its caption, of `LETTERS`."""

    picture: Pixels
    caption: str


def spelled(text: str) -> str:
    """Write `text` in `LETTERS`: lower case, without accents; all else becomes a space."""
    straight = unicodedata.normalize("NFKD", text.replace("’", "'")).lower()
    plain = (letter for letter in straight if not unicodedata.combining(letter))
    return " ".join("".join(letter if letter in LETTERS else " " for letter in plain).split())


def _digit(features: Mapping[str, Any]) -> Captioned:
    return Captioned(features["image"], WORDS[int(features["label"])])


def _emoji(features: Mapping[str, Any]) -> Captioned:
    return Captioned(features["image"], spelled(features["caption"].decode()))


def _photo(features: Mapping[str, Any]) -> Captioned:
    """Cut the photograph to a square; the first of its captions counts."""
    picture = ImageOps.fit(Image.fromarray(features["image"]), _PHOTO)
    return Captioned(np.asarray(picture), spelled(features["captions"]["text"][0].decode()))


def _pixels(captioned: Captioned) -> bytes:
    return captioned.picture.tobytes()


def _caption(captioned: Captioned) -> str:
    return captioned.caption


SOURCES = {
    "mnist_5k": Source(_digit, _pixels),
    "emoji": Source(_emoji, _caption),  # each has its own, and how it is drawn does not matter
    "mnist": Source(_digit, _pixels, validation=None),
    # the splits of Karpathy & Li, 2015, as they are used everywhere
    "coco_captions": Source(_photo, _pixels, train="train+restval", validation="val"),
}
