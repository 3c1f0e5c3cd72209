"""Many to many: which character comes next."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from pipeline.examples import Examples
from pipeline.tasks.base import Figures
from pipeline.tasks.shared.language import Language


class NextChar(Language):
    """Tells which character comes next."""

    long_window = 2000
    order = 7
    reach = 10

    def split(self, text: str) -> Iterable[str]:
        """Take the characters one by one."""
        return text

    def spelled(self, token: str, before: str) -> str:
        """Write the character."""
        return token

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure the surprise of a character on average, in nats and in bits.

        A character that the vocabulary lacks is the one unknown character.
        """
        nats = -float(answers.mean())
        return {"nats": nats, "bits": nats / math.log(2)}


task = NextChar()
