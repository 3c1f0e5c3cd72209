"""How a program of ours ends when a signal stops it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config.classify import ClassifyConfig
from pipeline.run import Run
from tests.pipeline.small import Outcome, copy

Command = Callable[..., Outcome]

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
DESTRUCTOR = """
import os, signal, sys
from pipeline.cli.program import guarded

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.{signal})

def stopped():
    Dying()
    signal.sigtimedwait([], 30)

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


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_in_a_destructor_is_not_lost(name: str, status: int) -> None:
    """Python ignores what is raised there."""
    program = [sys.executable, "-c", DESTRUCTOR.format(signal=name)]
    lost = subprocess.run(program, capture_output=True, text=True, timeout=60)
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


# For each verb a signal, and a file that is there in the middle of its work.
STOPPED = {
    "compare": (signal.SIGTERM, "compared/*/metrics.jsonl"),
    "sweep": (signal.SIGINT, "swept/trials/*/metrics.jsonl"),
    "export": (signal.SIGTERM, ".draft-model/model"),
    "train": (signal.SIGINT, "cache/packages/.draft-*/pip-*"),  # once pip is at work
    "demo": (signal.SIGTERM, "cache/packages/.draft-*/.lock"),
}


def command(
    verb: str, trained: Run[ClassifyConfig], recurrent: Command, tmp_path: Path
) -> list[str]:
    """A verb that is at work for long, or waits for a package index that does not answer."""
    endless = ["--no-bidirectional", "--limit=32", "--epochs=1000"]
    match verb:
        case "compare":
            return [verb, "digits", "--cells=rnn", *endless, f"--run={tmp_path / 'compared'}"]
        case "sweep":
            return [verb, "digits", "--trials=2", *endless, f"--run={tmp_path / 'swept'}"]
        case "train":
            return [verb, "digits", *endless, f"--run={tmp_path / 'trained'}"]
    run, model = copy(trained, tmp_path / "run").path, tmp_path / "model"
    export = ["export", str(run), f"--to={model}", "--format=onnx"]
    if verb == "export":
        return export
    assert recurrent(*export).status == 0
    return [verb, str(model)]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("verb", STOPPED)
def test_a_signal_ends_a_verb_and_leaves_nothing_half_done(
    verb: str, trained: Run[ClassifyConfig], recurrent: Command, tmp_path: Path
) -> None:
    number, begun = STOPPED[verb]
    program = [sys.executable, "-m", "pipeline.cli", *command(verb, trained, recurrent, tmp_path)]
    environment = dict(os.environ)
    with socket.create_server(("127.0.0.1", 0)) as index:
        if begun.startswith("cache"):
            address = f"http://127.0.0.1:{index.getsockname()[1]}"
            environment |= {"KERAS_RECURRENT_CACHE": str(tmp_path / "cache")}
            environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": address}
            environment |= {"PIP_FIND_LINKS": "", "npm_config_registry": address}
        with subprocess.Popen(
            program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            while process.poll() is None and not list(tmp_path.glob(begun)):
                time.sleep(0.001)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in said, said
    assert said.splitlines()[-1].startswith("recurrent: stopped")
    assert not [*tmp_path.rglob(".draft-*"), *tmp_path.rglob(".lock")]
