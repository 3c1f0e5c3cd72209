"""What is waited for is shown on a terminal, and only when it takes long."""

from collections.abc import Callable
from functools import partial
from io import StringIO

import pytest
from rich.console import Console

from pipeline.data import waiting


class AtOnce:
    """A timer whose time is always up."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self.start = action

    def cancel(self) -> None: ...

    def join(self) -> None: ...


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> StringIO:
    screen = StringIO()
    console = Console(file=screen, force_terminal=request.param)
    monkeypatch.setattr(waiting, "Console", lambda stderr: console)
    return screen


terminal = partial(pytest.mark.parametrize, "screen", indirect=True)


@terminal([True])
def test_a_long_wait_is_shown_on_a_terminal(
    screen: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "Timer", AtOnce)
    with waiting.spinner("Reading"):
        pass
    assert "Reading" in screen.getvalue()


@terminal([False])
def test_a_long_wait_is_silent_elsewhere(screen: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "Timer", AtOnce)
    with waiting.spinner("Reading"):
        pass
    assert screen.getvalue() == ""


@terminal([True])
def test_a_short_wait_is_not_shown(screen: StringIO) -> None:
    with waiting.spinner("Reading", after=3600):
        pass
    assert "Reading" not in screen.getvalue()


@terminal([True])
def test_an_error_passes_through(screen: StringIO) -> None:
    with pytest.raises(ValueError, match="inside"), waiting.spinner("Reading", after=3600):
        raise ValueError("inside")


@terminal([True])
def test_the_innermost_of_long_waits_is_shown(
    screen: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "Timer", AtOnce)

    with (
        waiting.spinner("Encoding"),
        waiting.counting("Preparing ids", total=1000, done=300) as count,
    ):
        count(200)
    shown = screen.getvalue()
    assert "Encoding" in shown[: shown.index("Preparing ids")]
    assert "Encoding" not in shown[shown.index("Preparing ids") : shown.index("500/1000")]
    assert "Encoding" in shown[shown.rindex("500/1000") :], "it is shown again"
