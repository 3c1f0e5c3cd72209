"""Many to many: which word comes next."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.parts.language import Language, LanguageConfig
from pipeline.tasks.base import Figures

if TYPE_CHECKING:
    import numpy.typing as npt

    from pipeline.examples import Examples

# A word with what is inside it, two dashes, any other mark, or the end of a line.
_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|--|[^\w\s]|\n")
_CLOSING = tuple("\n.,:;!?)]")  # what no space stands before
_OPENING = tuple(" \n[(")  # what none stands after


def next_word() -> LanguageConfig:
    """Learn from the plays of Shakespeare.

    Seeds 0, 1, 2: a perplexity of 59.2, 59.7, 57.4 on the test split, after 1,694 s (seed 1) to
    4,128 s on cores that others used too. Kneser-Ney over 5 words has 81.8, a feed-forward network
    over 5 words 63.7.
    """
    return LanguageConfig(
        task="next_word",
        dataset="shakespeare",
        cell="lstm",
        units=512,
        embedding=256,
        window=64,
        vocabulary_size=10_000,
        dropout=0.4,
        epochs=6,
        batch_size=32,
        learning_rate=2e-3,
        weight_decay=0.01,
    )


class NextWord(Language):
    """Tells which word, mark or line break comes next."""

    summary = "which word comes next in a text"
    long_window = 256
    order = 5
    reach = 5

    @property
    def presets(self) -> Mapping[str, Callable[[], LanguageConfig]]:
        """The default."""
        return {"next_word": next_word}

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
