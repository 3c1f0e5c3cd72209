"""How a command of ours ends: with a status, and what went wrong in one line."""

import math
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from pipeline.errors import PipelineError
from pipeline.messages import say


class FiniteRange(click.FloatRange):
    """A range of numbers that NaN and infinity are not in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a program as Ctrl-C does."""


class Command(click.Group):
    """A command whose verbs can be stopped: click would take an interrupt for its own."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            sys.exit(_stopped(stop))


def guarded(program: Callable[[], Any]) -> int:
    """Run `program` and return its exit status; what goes wrong is one line on stderr."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for developers, who have `python -W`
    try:
        with _terminable():
            program()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as stop:
        return _stopped(stop)
    except PipelineError as error:
        say(" ".join(str(error).split()))
        return 1
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        # What stdout could not take would be tried again, and complained about, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _stopped(stop: BaseException) -> int:
    """Say that a signal stopped the program, and what is kept, which notes of `stop` tell."""
    say(": ".join(["stopped", *getattr(stop, "__notes__", [])]))
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM interrupt the block as Ctrl-C does, unless who began the program ignores it."""
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
