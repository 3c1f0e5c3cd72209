"""What the user asks a task about: a test example by its number, or whatever else it takes."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.errors import PipelineError

Example = TypeVar("Example")
Input = TypeVar("Input")

_NUMBER = re.compile(r"[0-9]{1,9}")


def resolve(
    given: Sequence[str],
    noun: str,
    load: Callable[[], Sequence[Example]],
    numbered: Callable[[Example, str], Input],
    read: Callable[[str], Input],
) -> list[Input]:
    """Make an input of each of `given`, as the user typed it.

    Args:
        given: numbers of test examples, from 1, and anything else.
        noun: what an example is called.
        load: gives the test split; it is called if there is a number.
        numbered: makes an input of a test example and its name.
        read: makes an input of anything else.

    Raises:
        PipelineError: no test example has that number; and what `load` and `read` raise.
    """
    test = load() if any(map(_NUMBER.fullmatch, given)) else ()

    def resolved(text: str) -> Input:
        if not _NUMBER.fullmatch(text):
            return read(text)
        number = int(text)
        if not 1 <= number <= len(test):
            raise PipelineError(f"the test {noun}s are 1 to {len(test)}, and {number} is none")
        return numbered(test[number - 1], f"test {noun} {number}")

    return [resolved(text) for text in given]
