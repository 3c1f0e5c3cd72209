"""The split rule: what a text says decides where it goes, on every machine."""

import hashlib


def fingerprint(text: str) -> int:
    """The SHA-1 of the text in UTF-8, as a number."""
    return int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), 16)


def in_test(text: str) -> bool:
    """Whether `text` is one of the fifth of all texts that are kept for testing."""
    return fingerprint(text) % 10 < 2


def in_validation(text: str) -> bool:
    """Whether `text`, if it is no test text, is one of the tenth kept for validation."""
    return fingerprint(text) // 10 % 10 < 1
