"""The server: it begins with a socket that listens, and stops without losing a request."""

import asyncio
import logging
import math
import os
import signal
import socket
import sys
import threading

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exports.runtime.http import connections, log
from exports.runtime.http.connections import POLL, Connection, Guard
from exports.runtime.http.service import Service

_LAST_CALL = 0.5  # seconds for requests that were on their way to be refused, not cut off
_PIPELINED = 32  # requests that wait for the first of a connection to be answered
_logger = logging.getLogger(__name__)


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
    limits = service.limits
    config = uvicorn.Config(
        Guard(service, limits),
        http=_Protocol,
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="error",
        timeout_keep_alive=math.ceil(limits.max_idle_seconds),
        ws="websockets-sansio",
        ws_max_size=limits.max_bytes,
        ws_per_message_deflate=False,  # a few bytes could become max_bytes, for each stream
    )
    log.to_stderr("asyncio", "uvicorn.error", __name__)
    server = _Server(config, service)
    try:
        server.run([listener])
    finally:
        server.watchdog.cancel()


class _Server(uvicorn.Server):
    """Takes connections one by one, and stops in three steps.

    The steps: take no connection, answer on those that stand, close them.

    Attributes:
        watchdog: ends the process if stopping takes too long.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._limits = service.limits
        self.watchdog = threading.Timer(service.limits.max_stop_seconds, _exit)
        self.watchdog.daemon = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections from the first socket."""
        assert sockets
        self.servers = []
        self._door = asyncio.create_task(self._accept(sockets[0]))
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """End what has waited too long; uvicorn calls this ten times a second."""
        if self._door.done():
            self._door.result()  # raises: a server that takes nobody must not go on
        connections.expire(self._connections(), self._limits.max_unsent_bytes)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop within the seconds that it may take."""
        self.watchdog.start()
        self._service.stopping = True
        self._door.cancel()
        for listener in sockets or []:
            listener.close()
        await asyncio.sleep(_LAST_CALL)
        while self._service.active:
            await asyncio.sleep(POLL)
        for protocol in list(self.server_state.connections):
            protocol.shutdown()
        await asyncio.sleep(POLL)  # what can be sent was sent
        for connection in self._connections():
            connection.transport.abort()
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            while len(self.server_state.connections) >= self._limits.max_connections:
                await self._make_room()
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:  # there is no descriptor or memory for it
                _logger.error("No connection can be taken for now: %s.", error.strerror)
                await self._make_room()
            else:
                await loop.connect_accepted_socket(self._protocol, accepted)

    async def _make_room(self) -> None:
        """Give the next connection a place, or wait a little where all are at work."""
        made = connections.make_room(self._connections())
        await asyncio.sleep(0 if made else POLL)

    def _protocol(self) -> asyncio.Protocol:
        state = {
            "connection": Connection(self._limits.max_seconds),
            "max_head_bytes": self._limits.max_head_bytes,
        }
        return _Protocol(config=self.config, server_state=self.server_state, app_state=state)

    def _connections(self) -> list[Connection]:
        return [each.app_state["connection"] for each in self.server_state.connections]


class _Protocol(HttpToolsProtocol):
    """uvicorn's, which bounds neither how long a head is nor how many requests come at once."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state["connection"].transport = transport
        self._unread = 0
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self.app_state["max_head_bytes"] and not self.transport.is_closing():
            self.send_400_response("The head is too long.")

    def on_headers_complete(self) -> None:
        self._unread = 0
        if len(self.pipeline) >= _PIPELINED:
            raise ValueError("too many requests at once")  # the parser makes it an answer of 400
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)


def _exit() -> None:
    _logger.error("It did not stop in time: what was not answered yet is lost.")
    os._exit(1)
