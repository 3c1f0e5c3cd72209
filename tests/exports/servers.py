"""`recurrent serve` in a process of its own, and how tests talk to it."""

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

# So many steps that others arrive while it runs; a server takes it with this option.
SLOW = {"inputs": {"tokens": [[2] * 400_000]}}
TAKES_SLOW = "--max-steps=400000"
HANDSHAKE = (
    b"GET /stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
COUNT = re.compile(r"^(\w+)(?:{(.*)})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    address: str
    client: httpx.Client

    def post(self, body: Any) -> httpx.Response:
        return self.client.post("/predict", json=body)

    def count(self, name: str, labels: str = "") -> float:
        metrics = COUNT.findall(self.client.get("/metrics").text)
        return float(next((metric[2] for metric in metrics if metric[:2] == (name, labels)), 0))

    def stream(self, **options: Any) -> ClientConnection:
        return connect(f"{self.address.replace('http', 'ws')}/stream", **options)

    def connect(self, sent: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
        """Open a connection, and send what begins a request."""
        host, port = self.address.removeprefix("http://").split(":")
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(20)
        connection.connect((host, int(port)))
        connection.sendall(sent)
        return connection

    def upgrade(self, receive_buffer: int | None = None) -> socket.socket:
        """Open a connection that has become a stream."""
        connection = self.connect(HANDSHAKE, receive_buffer)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 101 ")
        return connection

    @property
    def sockets(self) -> int:
        """How many it has open."""
        files = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return sum(file.is_socket() for file in files)

    @property
    def megabytes(self) -> float:
        """The most memory that it has used so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1e3


@contextlib.contextmanager
def serving(
    directory: Path, *options: str, status: int = 0, complaint: str = ""
) -> Iterator[Server]:
    """Start a server. It must stop with a status, and complain of nothing but what is expected.

    Args:
        directory: what it serves.
        options: of the command.
        status: how it ends.
        complaint: a regular expression of what it writes to stderr.
    """
    program = [sys.executable, "-m", "pipeline.cli", "serve", str(directory), "--port=0", *options]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    address = process.stderr.readline().split()[-1]
    try:
        with httpx.Client(base_url=address, timeout=60) as client:
            yield Server(process, address, client)
    finally:
        process.terminate()
        _, complaints = process.communicate()
    assert process.returncode == status and re.fullmatch(complaint, complaints), complaints


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again, for up to twenty seconds, and leave the core to others in between."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
