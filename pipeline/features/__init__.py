"""Kinds of inputs, a module each: what turns them into tensors."""

from collections.abc import Mapping
from typing import Any

from pipeline.data.labelled import Labelled
from pipeline.features.audio import Audio
from pipeline.features.base import Feature
from pipeline.features.mfcc import Mfcc
from pipeline.features.text import Text
from pipeline.features.vectors import Vectors
from pipeline.features.words import Words

KINDS: Mapping[str, type[Feature[Any]]] = {
    "text": Text,
    "recording": Audio,
    "mfcc": Mfcc,
    "vectors": Vectors,
    "words": Words,
}


def kind(loaded: Labelled) -> str:
    """Name the kind of the inputs; vectors in a column called `mfcc` are coefficients of sound."""
    chosen = loaded.columns
    return "mfcc" if (chosen.kind, chosen.input) == ("vectors", "mfcc") else chosen.kind
