"""Other processes that own a directory."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOLD = """
import sys
from pathlib import Path
from exports import ownership
with ownership.{what}(Path(sys.argv[1])) as drafted:
    {do}
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(path: Path, what: str = "held", do: str = "pass") -> Iterator[subprocess.Popen[str]]:
    """Another process in the block of `held` or `draft`, until its standard input is closed."""
    command = [sys.executable, "-c", _HOLD.format(what=what, do=do), str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()
