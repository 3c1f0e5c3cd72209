"""What an artifact is written in: a module in this folder is a format, but for `base`.

A format writes endpoints, loads them and describes them. The export, the proof and the runtime know
none by name.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from exports import extras
from exports.artifact import Artifact
from exports.errors import InvalidArgumentError
from exports.schema import MODEL
from exports.signature import Run

if TYPE_CHECKING:
    from exports.formats.base import Format


def names() -> list[str]:
    """Name every format."""
    return sorted(each.name for each in pkgutil.iter_modules(__path__) if each.name != "base")


def get(name: str) -> "Format":
    """Return the format called `name`.

    Raises:
        ExportError: if there is none.
    """
    if name not in names():
        raise InvalidArgumentError(f"Unknown format {name!r}: choose among {', '.join(names())}.")
    found: Format = importlib.import_module(f"{__name__}.{name}").format
    return found


def read(
    artifact: Artifact,
    name: str,
    endpoint: str = MODEL,
    *,
    precision: str = "float32",
    threads: int | None = None,
) -> Run:
    """Load an endpoint of an artifact as a function of named arrays.

    Args:
        artifact: the exported model.
        name: of the format.
        endpoint: its name.
        precision: of its weights.
        threads: that a call may use; None: as many as the runtime likes.

    Raises:
        ExportError: if the artifact does not have it, or a file is damaged.
        MissingExtraError: if the format's runtime is not installed.
    """
    signature = artifact.endpoint(endpoint)
    with extras.needed("export"):
        return get(name).read(
            artifact.directory, endpoint, signature, precision=precision, threads=threads
        )


def runs(
    artifact: Artifact, endpoint: str = MODEL, formats: Sequence[str] | None = None
) -> dict[str, Run]:
    """Load an endpoint in each of `formats`, or in all that have it.

    Raises:
        ExportError: if a file is damaged.
    """
    wanted: Iterable[str] = artifact.formats if formats is None else formats
    declined = artifact.config.declined.get(endpoint, {})
    return {name: read(artifact, name, endpoint) for name in wanted if name not in declined}


def small(artifact: Artifact) -> dict[str, Run]:
    """Load the model of each format in each precision beside float32, as "FORMAT in PRECISION".

    Raises:
        ExportError: if a file is damaged.
    """
    return {
        f"{name} in {precision}": read(artifact, name, precision=precision)
        for name in artifact.formats
        for precision in artifact.small
        if precision in get(name).precisions
    }
