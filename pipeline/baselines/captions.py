"""Captions, by a network without memory, or repeated from training."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from pipeline import batches
from pipeline.baselines import Fit
from pipeline.baselines.pairs import objects, only
from pipeline.config.caption import CaptionConfig
from pipeline.examples import Examples
from pipeline.features.images import Images
from pipeline.features.tokens import PairData
from pipeline.models import captioner, seq2seq

_THUMBNAIL = (16, 16)  # width and height at which nearest images are looked for


def all_at_once(config: CaptionConfig, data: PairData[Images], fit: Fit) -> npt.NDArray[Any]:
    """A network that sees image and place of a token, but none of the tokens before it."""
    model = captioner.build_without_memory(config, data.source.channels, len(data.target.symbols))
    found = seq2seq.search(
        batches.compute(fit(model, config)),
        data.test,
        width=config.beam_width,
        longest=config.max_length,
        length_penalty=config.length_penalty,
    )
    return objects(found)


def most_frequent(config: CaptionConfig, data: PairData[Images], fit: Fit) -> npt.NDArray[Any]:
    """The caption that most training images have."""
    ((symbols, _),) = Counter(map(tuple, seq2seq.sequences(data.train))).most_common(1)
    return objects([only(symbols)] * len(data.test))


def nearest_image(config: CaptionConfig, data: PairData[Images], fit: Fit) -> npt.NDArray[Any]:
    """The caption of the training image whose thumbnail has the nearest pixels."""
    captions = seq2seq.sequences(data.train)
    neighbours = NearestNeighbors(n_neighbors=1).fit(_thumbnails(data.train))
    ((*places,),) = neighbours.kneighbors(_thumbnails(data.test), return_distance=False).T
    return objects([only(captions[place]) for place in places])


def _thumbnails(examples: Examples) -> npt.NDArray[np.float32]:
    def thumbnail(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        image = Image.fromarray(pixels.squeeze()).resize(_THUMBNAIL, Image.Resampling.BOX)
        return np.asarray(image, np.float32).ravel()

    return np.stack([thumbnail(each) for each in examples.inputs["image"]])
