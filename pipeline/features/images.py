"""Images of one size, as a model takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from pipeline.data import images, store
from pipeline.data.images import Pixels

_MIDDLE = 127  # the median of the pixels of a dark image is at most this


@dataclass(frozen=True)
class Images:
    """What is known of the images that a model learnt from.

    Attributes:
        channels: 1 if all are grey, otherwise 3.
        dark: whether all are grey and dark; a light one is then read as its negative.
    """

    channels: int
    dark: bool

    @classmethod
    def fit(cls, values: Sequence[Pixels]) -> Images:
        """Look whether all are grey, and dark."""
        channels = max(each.shape[-1] for each in values)
        return cls(channels, channels == 1 and not any(map(_is_light, values)))

    def inputs(self, values: Sequence[Pixels]) -> Mapping[str, Any]:
        """Encode images as the input of a model, `[images, height, width, channels]`."""
        size = len(values[0])
        like = np.empty((0, size, self.channels), np.uint8)
        encode = partial(map, self.encode)
        return {"image": store.ragged("images", values, self, encode, like=like, steps=size)}

    def length(self, value: Pixels) -> int:
        """Count an image as one step."""
        return 1

    def fault(self, model: keras.Model) -> str | None:
        """Compare the channels."""
        there = model.get_layer("image").output.shape[-1]
        if self.channels == there:
            return None
        return f"an image has {self.channels} channels, and the model knows {there}"

    def encode(self, value: Pixels) -> Pixels:
        """Give an image the channels that the model knows."""
        grey_or_not = images.to_channels(value, self.channels)
        return 255 - grey_or_not if self.is_negative(value) else grey_or_not

    def is_negative(self, value: Pixels) -> bool:
        """Say whether an image is read as its negative."""
        return self.dark and _is_light(images.to_channels(value, 1))


def _is_light(value: Pixels) -> bool:
    return bool(np.median(value) > _MIDDLE)
