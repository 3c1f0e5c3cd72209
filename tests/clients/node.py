"""Programs in Node, and a static server for what they visit."""

import contextlib
import functools
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def reject_uninstalled() -> None:
    if not (HERE / "node_modules/.chromium/chromium").exists():
        pytest.fail("The packages of package-lock.json are not installed: run `make clients`.")


def run(site: Path, *command: str | Path) -> str:
    ended = subprocess.run(
        ["node", *command], cwd=site, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
