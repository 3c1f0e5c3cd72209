"""What a file was made from, and how its numbers are read: its metadata."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PACKAGE = "keras-recurrent"


def props(labels: Sequence[str] | None, vocabulary: str, card: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a file: what `card` says, and the rest in keys of ours.

    Args:
        labels: name of each class, put there as JSON.
        vocabulary: the text of the file, of which the SHA-256 is put there; "" if there is none.
        card: the task, the data and its version, by heading.
    """
    ours = {"code": code()}
    if labels is not None:
        ours["labels"] = json.dumps(list(labels), ensure_ascii=False)
    if vocabulary:
        ours["vocabulary_sha256"] = hashlib.sha256(vocabulary.encode()).hexdigest()
    return {**{heading: str(value) for heading, value in card.items()}, **ours}


def code() -> str:
    """Return name and version of this package."""
    try:
        return f"{_PACKAGE} {version(_PACKAGE)}"
    except PackageNotFoundError:
        return f"{_PACKAGE}, not installed"
