"""The server: it begins with a socket that listens, and stops without losing a request."""

import asyncio
import signal
import socket
import sys

import uvicorn

from exports.serving.service import Service

_LAST_CALL = 0.5  # seconds for requests that were on their way to be refused, not cut off
_POLL = 0.02


def exit_on_sigterm() -> None:
    """End the process with status 0 at SIGTERM, which uvicorn raises again when it is done."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def run(service: Service, listener: socket.socket) -> None:
    """Answer until SIGTERM.

    What was taken on is answered first; what comes after the signal is refused.

    Args:
        service: answers.
        listener: a socket that listens; it is closed in the end.
    """
    config = uvicorn.Config(
        service,
        access_log=False,
        lifespan="off",
        log_level="warning",
        timeout_keep_alive=60,  # longer than clients', so that they never write to a closed one
        ws_max_size=service.limits.max_bytes,
    )
    _Server(config, service).run([listener])


class _Server(uvicorn.Server):
    """Stops in three steps: take no connection, answer on those that stand, close them."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.stopping = True
        for server in self.servers:
            server.close()
        await asyncio.sleep(_LAST_CALL)
        while self._service.active:
            await asyncio.sleep(_POLL)
        await super().shutdown(sockets)
