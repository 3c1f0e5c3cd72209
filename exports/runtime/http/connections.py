"""Connections of clients: none may wait, send or be sent to for ever."""

import asyncio
import contextlib
import functools
import operator
from collections.abc import Iterable, Iterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exports.runtime.http.limits import Limits

POLL = 0.02


class Connection:
    """A connection: either the application is at a request of it, or it waits for one until a time.

    Attributes:
        transport: its bytes go through this.
    """

    transport: asyncio.Transport

    def __init__(self, seconds: float) -> None:
        self._requests = 0
        self._expires = 0.0
        self._was_late = False
        self._wait(seconds)

    @property
    def expires(self) -> float | None:
        """When it has waited long enough, in the time of the event loop; None while it does not."""
        return None if self._requests else self._expires

    def is_late_again(self) -> bool:
        """Tell whether it had waited long enough at this look and at the one before.

        A server that was busy finds what came meanwhile between two looks, and blames nobody.
        """
        expires, was_late = self.expires, self._was_late
        self._was_late = expires is not None and expires < asyncio.get_running_loop().time()
        return self._was_late and was_late

    @contextlib.contextmanager
    def working(self, idle_seconds: float) -> Iterator[None]:
        """Let it not expire in the block; afterwards it may wait for so long."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            self._wait(idle_seconds)

    @property
    def unsent(self) -> int:
        """How many bytes wait for the client to read those before them."""
        return self.transport.get_write_buffer_size()

    async def drain(self, seconds: float) -> None:
        """Wait until all is sent, and cut the connection off if that takes too long."""
        end = asyncio.get_running_loop().time() + seconds
        while self.unsent:
            await asyncio.sleep(POLL)
            if asyncio.get_running_loop().time() > end:
                self.transport.abort()
                return

    def end(self) -> None:
        """Close it, or cut it off if the client does not even read what it was sent."""
        if self.unsent:
            self.transport.abort()
        else:
            self.transport.close()

    def _wait(self, seconds: float) -> None:
        self._expires = asyncio.get_running_loop().time() + seconds


class Guard:
    """An application whose clients read what they are sent in time, or are cut off.

    Args:
        application: answers.
        limits: its seconds count.
    """

    def __init__(self, application: ASGIApp, limits: Limits) -> None:
        self._application = application
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of the connection that is the scope's state."""
        connection: Connection = scope["state"]["connection"]
        with connection.working(self._limits.max_idle_seconds):
            await self._application(scope, receive, functools.partial(self._send, connection, send))

    async def _send(self, connection: Connection, send: Send, message: Message) -> None:
        await connection.drain(self._limits.max_seconds)
        await send(message)
        await connection.drain(self._limits.max_seconds)


def expire(connections: Iterable[Connection], max_unsent_bytes: int) -> None:
    """End the connections that have waited long enough, and those that hold too much together.

    uvicorn answers the pings of streams itself, so what a client does not read can become much
    without the application.
    """
    unsent = 0
    for connection in connections:
        unsent += connection.unsent
        if unsent > max_unsent_bytes:
            connection.transport.abort()
        elif connection.is_late_again():
            connection.end()


def make_room(connections: Iterable[Connection]) -> bool:
    """Cut off the connection that would expire next; tell whether one waited."""
    waiting = [(each.expires, each) for each in connections if each.expires is not None]
    if not waiting:
        return False
    _, next_one = min(waiting, key=operator.itemgetter(0))
    next_one.transport.abort()
    return True
