"""A sign of life while something takes long."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console


@contextmanager
def spinner(message: str, *, after: float = 2.0) -> Iterator[None]:
    """Show `message` on the terminal, if there is one, once the block has run `after` seconds."""
    status = Console(stderr=True).status(message)
    timer = Timer(after, status.start)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
