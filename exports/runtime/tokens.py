"""Text as tokens: how it is cut, numbered and written."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]

PADDING, UNKNOWN = 0, 1
# A word with what is inside it, two dashes, any other mark, or the end of a line.
_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|--|[^\w\s]|\n")
_CLOSING = tuple("\n.,:;!?)]")  # what no space stands before
_OPENING = tuple(" \n[(")  # what none stands after


class Tokenizer(ABC):
    """One way to cut a text into tokens."""

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Cut `text` into tokens."""

    @abstractmethod
    def spelled(self, token: str, before: str) -> str:
        """Write `token` as it stands in a text that so far ends with `before`."""

    def join(self, tokens: Iterable[str]) -> str:
        """Make a text of tokens."""
        text = ""
        for token in tokens:
            text += self.spelled(token, text)
        return text


@final
class Characters(Tokenizer):
    """Each character is a token."""

    def split(self, text: str) -> list[str]:
        """Take the characters one by one."""
        return list(text)

    def spelled(self, token: str, before: str) -> str:
        """Write the character."""
        return token


@final
class Spaced(Tokenizer):
    """What stands between spaces is a token."""

    def split(self, text: str) -> list[str]:
        """Take what stands between spaces."""
        return text.split()

    def spelled(self, token: str, before: str) -> str:
        """Write the token, with a space before it unless it is the first."""
        return f" {token}" if before else token


@final
class Words(Tokenizer):
    """Words, marks and line breaks are tokens."""

    def split(self, text: str) -> list[str]:
        """Take words, marks and line breaks one by one."""
        return _TOKEN.findall(text)

    def spelled(self, token: str, before: str) -> str:
        """Write the token, with a space before it where one belongs."""
        joined = not before or before.endswith(_OPENING) or token in _CLOSING
        return token if joined else f" {token}"


TOKENIZERS: Mapping[str, Tokenizer] = {
    "characters": Characters(),
    "words": Spaced(),
    "prose": Words(),
}


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that are known, by id. Id 0 is padding, and 1 any token that is not known."""

    tokens: tuple[str, ...]

    @classmethod
    def of(cls, tokens: Iterable[str], size: int) -> Vocabulary:
        """Know the most frequent of `tokens`, `size` with the two that none is."""
        counts = sorted(Counter(tokens).items(), key=lambda item: (-item[1], item[0]))
        return cls(("", "[UNK]", *(token for token, _ in counts[: size - 2])))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def encode(self, tokens: Iterable[str]) -> Ids:
        """Turn tokens into ids."""
        return np.fromiter((self._ids.get(token, UNKNOWN) for token in tokens), np.int32)
