"""What an artifact can do: a module in this folder is an endpoint, but for `base`.

The model itself is one; others take chunks and states, raw text, or sound. A format writes each
endpoint, and parity compares each with its reference.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from exports.artifact import Artifact
from exports.schema import MODEL

if TYPE_CHECKING:
    from exports.endpoints.base import Endpoint, Request


def requested(request: "Request") -> list["Endpoint"]:
    """Return the endpoints of what is to be exported, the model first.

    Raises:
        ExportError: if one is asked for, and the model cannot have it.
    """
    found = (kind.requested(request) for kind in _kinds())
    return [each for each in found if each is not None]


def recorded(artifact: Artifact) -> list["Endpoint"]:
    """Return the endpoints that an artifact has, the model first."""
    found = (kind.recorded(artifact) for kind in _kinds())
    return [each for each in found if each is not None]


def _kinds() -> Iterator[type["Endpoint"]]:
    names = {module.name for module in pkgutil.iter_modules(__path__)} - {"base"}
    for name in sorted(names, key=lambda name: (name != MODEL, name)):
        yield importlib.import_module(f"{__name__}.{name}").endpoint
