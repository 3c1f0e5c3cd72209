"""Extras of keras-recurrent: who misses one is told in one line what to install."""

from collections.abc import Iterator
from contextlib import contextmanager

from exports.errors import PrintableError

_OURS = ("custom_layers", "exports", "pipeline")


class MissingExtraError(PrintableError, ImportError):
    """A package that an extra brings is not installed."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra."""
    return f'pip install "keras-recurrent[{extra}]"'


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Name the extra to install if a package that this block imports is missing.

    Raises:
        MissingExtraError: if a package of others is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _OURS:
            raise
        message = f"{package} is not installed: {install_command(extra)}"
        raise MissingExtraError(message, name=package) from None
