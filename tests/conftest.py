"""What the tests of several rooms need."""

import os
import signal
from collections.abc import Iterator

import pytest

# Before TensorFlow is loaded: its native log goes to stderr, where tests look for one line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs begun here hear SIGINT, which a shell lets what runs in its background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
