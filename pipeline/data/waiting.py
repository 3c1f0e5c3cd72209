"""A sign of life while something takes long: on the terminal, if there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock, Timer
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_AFTER = 2.0  # seconds


class _Display(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(eq=False)
class _Wait:
    """What is waited for, and whether that has taken long already."""

    display: _Display
    long: bool = False


_lock = RLock()
_nested: list[_Wait] = []  # the innermost last; it alone is shown


@contextmanager
def spinner(message: str, *, after: float = _AFTER) -> Iterator[None]:
    """Show `message` once the block has run `after` seconds."""
    with _shown(Console(stderr=True).status(message), after):
        yield


@contextmanager
def counting(
    message: str, total: int | None, done: int, *, after: float = _AFTER
) -> Iterator[Callable[[int], None]]:
    """Show how many of `total` are done once the block has run `after` seconds.

    What is given is to be called with how many more are done.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
    bar.disable = not console.is_terminal
    shown = bar.add_task(message, total=total, completed=done)
    with _shown(bar, after):
        yield lambda more: bar.advance(shown, more)


@contextmanager
def _shown(display: _Display, after: float) -> Iterator[None]:
    """Show `display` once the block has run so long, but while a block inside shows another."""
    wait = _Wait(display)

    def show() -> None:
        with _lock:
            wait.long = True
            _show_innermost()

    _nested.append(wait)
    timer = Timer(after, show)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        with _lock:
            _nested.remove(wait)
            display.stop()
            _show_innermost()


def _show_innermost() -> None:
    for wait in _nested[:-1]:
        wait.display.stop()
    if _nested and _nested[-1].long:
        _nested[-1].display.start()
