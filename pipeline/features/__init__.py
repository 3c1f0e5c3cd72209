"""Kinds of inputs, a module each: what turns them into tensors."""

from collections.abc import Mapping

from pipeline.data.labelled import Labelled
from pipeline.features.audio import Audio
from pipeline.features.base import Feature
from pipeline.features.mfcc import Mfcc
from pipeline.features.text import Text
from pipeline.features.vectors import Vectors

KINDS: Mapping[str, type[Feature]] = {
    "text": Text,
    "recording": Audio,
    "mfcc": Mfcc,
    "vectors": Vectors,
}


def kind(loaded: Labelled) -> str:
    """Name the kind of the inputs; vectors in a column called `mfcc` are coefficients of sound."""
    chosen = loaded.columns
    return "mfcc" if (chosen.kind, chosen.input) == ("vectors", "mfcc") else chosen.kind
