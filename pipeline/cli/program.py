"""How a command of ours ends: with a status, and what went wrong in one line."""

import math
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from itertools import takewhile
from types import FrameType
from typing import Any

import click

from exports import extras
from exports.errors import PrintableError
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
    """A command whose verbs can be stopped: click would take an interrupt for its own.

    It has the option `--code`, wherever that stands: the words around it may need what it defines.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read `--code` before the verb."""
        return super().parse_args(ctx, _code_first(args))

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
        with _Interruptible(), extras.needed("pipeline"):
            program()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as stop:
        return _stopped(stop)
    except PrintableError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        # What stdout could not take would be tried again, and complained about, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _code_first(args: Sequence[str]) -> list[str]:
    """Put `--code FILE` before the other words."""
    options = list(takewhile("--".__ne__, args))
    for place, word in enumerate(options):
        if word.partition("=")[0] == "--code":
            end = place + (1 if "=" in word else 2)
            return [*args[place:end], *args[:place], *args[end:]]
    return list(args)


def _stopped(stop: BaseException) -> int:
    """Say that a signal stopped the program, and what is kept, which notes of `stop` tell."""
    say(": ".join(["stopped", *getattr(stop, "__notes__", [])]))
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


class _Interruptible:
    """A block that SIGTERM interrupts as Ctrl-C does, unless who began the program ignores it.

    Where a library turns the interrupt into an error of its own, as TensorFlow does, it is one.
    Where it comes in a destructor, whose errors Python ignores, it comes again.
    """

    def __enter__(self) -> None:
        self._stop: KeyboardInterrupt | None = None
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._ignored
        self._before = {number: signal.getsignal(number) for number in (*_SIGNALS, signal.SIGALRM)}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._hook
        if self._stop and isinstance(error, Exception):
            raise self._stop from error

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if number in _SIGNALS:
            self._stop = _SIGNALS[signal.Signals(number)]()
        if self._stop:
            raise self._stop

    def _ignored(self, error: Any) -> None:
        if self._stop and error.exc_value is self._stop:
            signal.setitimer(signal.ITIMER_REAL, _SOON)
        else:
            self._hook(error)


_SIGNALS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
_SOON = 0.01  # seconds, in which a destructor is over
