"""How a program of ours ends when a signal stops it."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
from pipeline.cli.program import guarded

def stopped():
    try:
        os.kill(os.getpid(), signal.{signal})
        signal.pause()
    except {caught} as stop:
        {then}

sys.exit(guarded(stopped))
"""
NOTE = "stop.add_note('3 of 5 epochs are kept'); raise"


def ended(**blanks: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(**blanks)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_a_program_in_one_line(name: str, status: int) -> None:
    kept = ended(signal=name, caught="KeyboardInterrupt", then=NOTE)
    assert (kept.returncode, kept.stderr) == (
        status,
        "recurrent: stopped: 3 of 5 epochs are kept\n",
    )
    converted = "raise RuntimeError('a library caught the interrupt') from stop"
    lost = ended(signal=name, caught="KeyboardInterrupt", then=converted)
    assert (lost.returncode, lost.stderr) == (status, "recurrent: stopped\n")


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    program = (
        "import os, signal; from pipeline.cli.program import guarded; "
        "print(guarded(lambda: os.kill(os.getpid(), signal.SIGTERM)))"
    )
    try:
        ignoring = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (ignoring.stdout, ignoring.stderr) == ("0\n", "")


def test_handlers_are_as_before() -> None:
    from pipeline.cli.program import guarded

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert guarded(os.getpid) == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
