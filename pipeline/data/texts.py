"""Running text, from any of the known data sets."""

from collections.abc import Mapping
from typing import Any

from pipeline.data.loading import Source


def _text(features: Mapping[str, Any]) -> str:
    text: str = features["text"].decode()
    return text


SOURCES = {
    "shakespeare": Source(_text, content=str),
    "tiny_shakespeare": Source(_text, content=str),
    "lm1b": Source(_text, content=str, validation=None),
}
