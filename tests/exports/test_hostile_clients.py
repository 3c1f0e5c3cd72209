"""Clients that mean harm, or are broken: the server goes on, and ends when it is told to."""

import asyncio
import concurrent.futures
import json
import resource
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
import pytest
from websockets import Frame, Opcode
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from exports import Artifact
from exports.runtime.http.connections import Connection, Guard
from exports.runtime.http.limits import Limits
from tests.exports import models
from tests.exports.servers import SLOW, TAKES_SLOW, Server, serving, until

STEP = {"inputs": {"sequences": [[[1.0] * models.FEATURES]]}}
CHUNK = {"inputs": {"sequences": [[[1.0] * models.FEATURES] * 5000]}}
BODY = json.dumps(CHUNK).encode()
POST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
FOREIGN = "https://evil.example"
NAMED = "https://page.example"


@pytest.fixture(scope="module")
def impatient(streamed: tuple[Artifact, keras.Model]) -> Iterator[Server]:
    """A server that waits for little and allows few streams."""
    options = (
        "--max-connections=12",
        "--max-streams=2",
        "--max-seconds=1",
        "--max-idle-seconds=2",
        "--max-steps=10000",
        "--max-values=19998",
        f"--origin={NAMED}",
    )
    with serving(streamed[0].directory, *options) as server:
        yield server


def ends(connection: socket.socket) -> bytes:
    """Read until the server ends the connection, which it must."""
    received = b""
    with connection:
        try:
            while part := connection.recv(2**16):
                received += part
        except ConnectionResetError:
            pass
    return received


def fill(connection: socket.socket, sent: bytes) -> None:
    """Send again and again, until the connection ends or nothing more goes into it."""
    while True:
        connection.sendall(sent)


# Heads and bodies


@pytest.mark.parametrize("sent", [b"", b"POST /predict HTTP/1.1\r\nHost: a\r\nX-More: "])
def test_a_head_that_does_not_come(sent: bytes, impatient: Server) -> None:
    start = time.monotonic()
    assert ends(impatient.connect(sent)) == b""
    assert time.monotonic() - start < 10


def test_a_head_that_comes_byte_by_byte(impatient: Server) -> None:
    with impatient.connect(b"GET /health HTTP/1.1\r\nX: ") as connection:
        connection.settimeout(0.05)

        def cut_off() -> bool:
            try:
                connection.sendall(b"a")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        until(cut_off)


def test_a_head_without_an_end(impatient: Server) -> None:
    before = impatient.megabytes
    line = b"X-More: " + b"a" * 10_000 + b"\r\n"
    with (
        impatient.connect(b"GET /health HTTP/1.1\r\nHost: a\r\n") as connection,
        pytest.raises(ConnectionError),
    ):
        fill(connection, line)
    assert impatient.megabytes - before < 10


def test_a_head_with_much_in_it(impatient: Server) -> None:
    assert impatient.client.get("/health", headers={"X": "a" * 10_000}).status_code == 200
    assert impatient.client.get("/health", headers={"X": "a" * 17_000}).status_code == 431


def test_many_requests_at_once(impatient: Server) -> None:
    health = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    assert ends(impatient.connect(health * 20)).count(b'{"status":"ok"}') == 20
    assert b"HTTP/1.1 400 " in ends(impatient.connect(health * 10_000))


def test_half_a_body_that_waits(impatient: Server) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{"
    answer = ends(impatient.connect(head))
    assert answer.startswith(b"HTTP/1.1 408 ") and b"The body did not arrive in time." in answer


def test_silence_after_an_answer(impatient: Server) -> None:
    answer = ends(impatient.connect(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert answer.endswith(b'{"status":"ok"}')


def test_after_an_answer_a_client_may_be_idle() -> None:
    async def seconds_left() -> float:
        connection = Connection(1)

        async def answer(*_: Any) -> None:
            assert connection.expires is None

        guard: Any = Guard(answer, Limits(max_seconds=1, max_idle_seconds=50))
        await guard({"state": {"connection": connection}}, None, None)
        assert connection.expires is not None
        return connection.expires - asyncio.get_running_loop().time()

    assert asyncio.run(seconds_left()) == pytest.approx(50, abs=5)


def test_what_came_while_the_server_was_busy_is_read_before_a_connection_is_ended() -> None:
    """It has waited too long at the first look, but nobody could have read what it sent."""

    async def lates() -> list[bool]:
        connection = Connection(-1)
        first = connection.is_late_again()
        with connection.working(-1):
            answering = connection.is_late_again()
        return [first, answering, connection.is_late_again(), connection.is_late_again()]

    assert asyncio.run(lates()) == [False, False, False, True]


# Many connections


def test_many_silent_connections_lock_nobody_out(impatient: Server) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            for _ in range(10):
                stack.enter_context(impatient.connect(b"GET /hea"))
            assert impatient.client.get("/health").status_code == 200


def test_no_descriptor_is_left(streamed: tuple[Artifact, keras.Model]) -> None:
    """It says so, but not again and again."""
    said = r"(recurrent: No connection can be taken for now: Too many open files\..*\n){1,10}"
    with serving(streamed[0].directory, complaint=said) as server, ExitStack() as stack:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (40, 40))
        for _ in range(300):
            stack.enter_context(server.connect())
        assert server.post(STEP).status_code == 200


# Answers that nobody reads


LITTLE = 4096  # bytes that the system of a client takes for it; the server's may take 4 MB
MUCH = 24  # answers of 220 kB


def test_it_stops_though_clients_read_nothing(streamed: tuple[Artifact, keras.Model]) -> None:
    chunk = Frame(Opcode.TEXT, BODY).serialize(mask=True)
    with (
        serving(streamed[0].directory, "--max-seconds=2") as server,
        server.connect(POST * MUCH, LITTLE),
        server.upgrade(LITTLE) as stream,
    ):
        stream.sendall(chunk * MUCH)
        until(lambda: server.count("recurrent_chunks_total") > 0)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0


def test_a_client_that_reads_nothing_is_cut_off(impatient: Server) -> None:
    before = impatient.sockets
    with impatient.connect(POST * MUCH, LITTLE):
        until(lambda: impatient.sockets > before)
        until(lambda: impatient.sockets <= before)


def test_answers_that_wait_to_be_read_are_bounded(streamed: tuple[Artifact, keras.Model]) -> None:
    options = ("--max-unsent-bytes=300000", "--max-seconds=60")
    with serving(streamed[0].directory, *options) as server:
        with server.connect(POST * MUCH, LITTLE):
            until(lambda: server.post(CHUNK).status_code == 503)
            refused = server.post(CHUNK).json()["error"]
            assert "wait for their clients to read" in refused
            assert server.post(STEP).status_code == 200
        until(lambda: server.post(CHUNK).status_code == 200)


def test_pings_whose_answers_nobody_reads_are_bounded(
    streamed: tuple[Artifact, keras.Model],
) -> None:
    ping = Frame(Opcode.PING, b"a" * 125).serialize(mask=True)
    with serving(streamed[0].directory, "--max-unsent-bytes=1000000") as server:
        before = server.megabytes
        with server.upgrade(LITTLE) as connection, pytest.raises(ConnectionError):
            fill(connection, ping * 1000)
        assert server.megabytes - before < 200


def test_what_takes_too_long_to_stop_is_ended(exported: Artifact) -> None:
    options = ("--max-parallel=1", "--max-stop-seconds=0.1", TAKES_SLOW)
    said = "recurrent: It did not stop in time: what was not answered yet is lost.\n"
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        serving(exported.directory, *options, status=1, complaint=said) as server,
    ):
        before = server.count("recurrent_batch_rows_count")
        asked = pool.submit(server.post, SLOW)
        until(lambda: server.count("recurrent_batch_rows_count") > before)
    assert asked.exception()


# Streams


def said_by(stream: ClientConnection) -> dict[str, list[list[float]]]:
    stream.send(json.dumps(STEP))
    answer: dict[str, list[list[float]]] = json.loads(stream.recv(20))
    return answer


def test_silent_streams_give_way(impatient: Server) -> None:
    with impatient.stream() as first, impatient.stream() as second:
        until(lambda: impatient.count("recurrent_streams") == 2)

        def taken() -> bool:
            with impatient.stream() as third:
                try:
                    return "outputs" in said_by(third)
                except ConnectionClosed:
                    said_by(second)
                    return False

        until(taken)
        with pytest.raises(ConnectionClosed, match=r"1013.*silent for too long"):
            first.recv(20)
        assert said_by(second)["outputs"]


def test_a_stream_that_stays_silent(impatient: Server) -> None:
    with (
        impatient.stream() as stream,
        pytest.raises(ConnectionClosed, match=r"1013.*silent for too long"),
    ):
        stream.recv(20)


def test_text_that_is_none(impatient: Server) -> None:
    """Neither a traceback nor any other complaint comes of it."""
    with impatient.stream() as stream:
        stream.socket.sendall(b"\x81\x82\0\0\0\0\xff\xff")
        with pytest.raises(ConnectionClosed, match="1007"):
            stream.recv(20)


@pytest.mark.parametrize("steps", [6000, 10_000, 11_000])
def test_sequences_that_are_too_long(steps: int, impatient: Server) -> None:
    """6,000 steps are taken, 10,000 would have more than 19,998 numbers in the answer."""
    body = {"inputs": {"sequences": [[[1.0] * models.FEATURES] * steps]}}
    answer = impatient.post(body)
    error = {
        10_000: "An answer has up to 19998 numbers.",
        11_000: "A request has up to 10000 steps",
    }
    with impatient.stream() as stream:
        stream.send(json.dumps(body))
        chunk = json.loads(stream.recv(20))
    if steps in error:
        assert answer.status_code == 413
        assert answer.json()["error"].startswith(error[steps])
        assert chunk["error"] == answer.json()["error"]
    else:
        assert np.shape(chunk["outputs"]["steps"]) == (1, 6000, 2)


def test_rows_count_as_often_as_there_are_steps(impatient: Server) -> None:
    rows = {"inputs": {"sequences": [[[1.0] * models.FEATURES] * 5001] * 2}}
    answer = impatient.post(rows)
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("A request has up to 10000 steps: rows times steps")


def test_clients_that_leave_before_they_are_answered_keep_no_stream(impatient: Server) -> None:
    for _ in range(4):
        with impatient.stream() as stream:
            stream.send(BODY.decode())
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.socket.close()
    until(lambda: impatient.count("recurrent_streams") == 0)


# Pages of others


@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://127.0.0.1", "http://[", ""])
def test_pages_of_other_hosts_are_refused(origin: str, impatient: Server) -> None:
    answer = impatient.client.post("/predict", json=STEP, headers={"Origin": origin})
    assert answer.status_code == 403 and "--origin" in answer.json()["error"]
    with pytest.raises(InvalidStatus) as refused, impatient.stream(origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_pages_of_its_own_host_and_of_named_ones_are_answered(impatient: Server) -> None:
    for origin, allowed in ((impatient.address, None), (NAMED, NAMED)):
        answer = impatient.client.post("/predict", json=STEP, headers={"Origin": origin})
        assert answer.status_code == 200
        if allowed:
            assert answer.headers["Access-Control-Allow-Origin"] == allowed
        with impatient.stream(origin=origin) as stream:
            assert said_by(stream)["outputs"]
    asked = {"Access-Control-Request-Method": "POST", "Origin": NAMED}
    asked["Access-Control-Request-Headers"] = "content-type"
    assert impatient.client.options("/predict", headers=asked).status_code == 200
