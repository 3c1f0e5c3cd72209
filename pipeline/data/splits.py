"""The split rule: what an example says decides where it goes, on every machine."""

import hashlib

Content = str | bytes


def fingerprint(content: Content) -> int:
    """The SHA-1 of the content, of a text in UTF-8, as a number."""
    octets = content.encode() if isinstance(content, str) else content
    return int(hashlib.sha1(octets, usedforsecurity=False).hexdigest(), 16)


def in_test(content: Content) -> bool:
    """Whether `content` is one of the fifth of all examples that are kept for testing."""
    return fingerprint(content) % 10 < 2


def in_validation(content: Content) -> bool:
    """Whether `content`, if not kept for testing, is one of the tenth kept for validation."""
    return fingerprint(content) // 10 % 10 < 1
