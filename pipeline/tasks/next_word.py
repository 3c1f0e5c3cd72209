"""Many to many: which word comes next."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from pipeline.examples import Examples
from pipeline.tasks.base import Figures
from pipeline.tasks.shared.language import Language

# A word with what is inside it, two dashes, any other mark, or the end of a line.
_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|--|[^\w\s]|\n")
_CLOSING = tuple("\n.,:;!?)]")  # what no space stands before
_OPENING = tuple(" \n[(")  # what none stands after


class NextWord(Language):
    """Tells which word, mark or line break comes next."""

    long_window = 256
    order = 5
    reach = 5

    def split(self, text: str) -> Iterable[str]:
        """Take words, marks and line breaks one by one."""
        return _TOKEN.findall(text)

    def spelled(self, token: str, before: str) -> str:
        """Write the token, with a space before it where one belongs."""
        joined = not before or before.endswith(_OPENING) or token in _CLOSING
        return token if joined else f" {token}"

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure among how many tokens the model is left to guess, on average.

        A word that the vocabulary lacks counts as the one unknown word.
        """
        return {"perplexity": math.exp(-float(answers.mean()))}


task = NextWord()
