"""Texts that are hard to read, and another reading of them to hold ours against."""

import re
import unicodedata
from collections.abc import Sequence

from hypothesis import strategies as st

FRAGMENTS = [
    *("good", "bad", "NOT", "Good!", "день", "День", "ΑΘΗΝΑ", "日本語", "e\u0301", "\u0301", "١٢٣"),
    *("École", "ÉCOLE", "goodday", "goodдень", "don't", "'", "''", "rock'n'roll", "it’s"),
    *("!", "?", "?!", "!!!", "¡", "…", "-", "_", "wait..."),
    *("<br />", "<BR>", "<br\n/>", "<br", "br>", "<b<br>r>", "< br/>", "<p>", "&amp;", "[UNK]"),
    *(" ", "\t", "\n", "\r\n", "\v", "\x00", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "\ufeff"),
    *("🙂", "👨\u200d👩\u200d👧", "🇩🇪", "İ", "ß", "ǅ", "ª", "Ⅷ", "½", "\U0001d400", "\U000e0061"),
]
# Characters that a newer Unicode names may be letters to one library and nothing to another.
texts = st.lists(
    st.sampled_from(FRAGMENTS) | st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=9)
).map("".join)


def read(text: str) -> list[str]:
    """The tokens of a text, read letter by letter."""
    text = re.sub("[A-Z]", lambda letter: letter[0].lower(), text)
    text = re.sub("<br[\t\n\f\r ]*/?>", " ", text)
    return "".join(map(part, text)).split()


def part(letter: str) -> str:
    if letter in '!?.,;:()"':
        return f" {letter} "
    return letter if letter == "'" or unicodedata.category(letter)[0] in "LMN" else " "


def characters(text: str) -> list[str]:
    """The tokens of a text that is read by character."""
    return [letter for token in read(text) for letter in token]


def ids(text: str, vocabulary: Sequence[str], max_length: int = 12) -> list[int]:
    known = {word: place for place, word in enumerate(vocabulary) if word}
    return [known.get(token, 1) for token in read(text)][:max_length]
