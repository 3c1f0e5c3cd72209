"""Extras of keras-recurrent: who misses one is told in one line what to install."""

from collections.abc import Iterator
from contextlib import contextmanager

from exports.errors import PrintableError

_PROJECT = "keras-recurrent"


class MissingExtraError(PrintableError, ImportError):
    """A package that an extra brings is not installed."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra."""
    return f'pip install "{_PROJECT}[{extra}]"'


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Name the extra to install if this block imports a package that is missing.

    Raises:
        MissingExtraError: if something that the extra brings is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if _is_installed(extra):
            raise
        message = f"{error.name} is not installed: {install_command(extra)}"
        raise MissingExtraError(message, name=error.name) from None


def _is_installed(extra: str) -> bool:
    """Whether all that an extra brings is there, and so something else is missing."""
    from importlib import metadata  # it takes long to import, and is seldom needed

    from packaging.requirements import Requirement

    return all(
        all(map(_is_installed, each.extras))
        if each.name == _PROJECT
        else any(metadata.distributions(name=each.name))
        for each in map(Requirement, metadata.requires(_PROJECT) or ())
        if each.marker is None or each.marker.evaluate({"extra": extra})
    )
