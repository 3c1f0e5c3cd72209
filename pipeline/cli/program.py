"""How a command of ours ends: with a status, and what went wrong in one line."""

import math
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import click

from pipeline.errors import PipelineError

INTERRUPTED = 130


class FiniteRange(click.FloatRange):
    """A range of numbers that NaN and infinity are not in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


def say(message: str) -> None:
    """Tell the user something that is no result."""
    click.echo(f"recurrent: {message}", err=True)


def guarded(program: Callable[[], Any]) -> int:
    """Run `program` and return its exit status; what goes wrong is one line on stderr."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for developers, who have `python -W`
    try:
        program()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("stopped")
        return INTERRUPTED
    except PipelineError as error:
        say(" ".join(str(error).split()))
        return 1
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        # What stdout could not take would be tried again, and complained about, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0
