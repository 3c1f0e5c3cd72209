"""Random requests to the real server: never a traceback, never a hang, never a gigabyte."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import keras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets import Frame, Opcode

from exports import Artifact
from tests import damage
from tests.exports import models
from tests.exports.servers import HANDSHAKE, Server, serving

# Large requests take long to make; and a failure is not shrunk, as each try waits for the server.
besieging = settings(damage.besieging, suppress_health_check=list(HealthCheck))
BRIEF = ("--max-seconds=0.3", "--max-idle-seconds=0.3", "--max-connections=32")

# Bodies: right ones, large ones, and what is none

NUMBERS = st.sampled_from(["0", "1", "-1", "1e999", "NaN", "9" * 5000, "1.5", "-0.0", "null"])
STEPS = st.sampled_from([0, 1, 2, 7, 100, 20_000, 500_000])
ROWS = st.sampled_from([0, 1, 2, 64, 65, 1000])


def rectangle(item: str, steps: int, rows: int) -> str:
    """Write an array, of up to a megabyte and a half."""
    row = f"[{','.join([item] * min(steps, 700_000 // len(item)))}]"
    return f"[{','.join([row] * min(rows, 1 + 1_500_000 // len(row)))}]"


RIGHT = st.sampled_from(["2", "[1, 1, 1]"])  # to the one model, or to the other
item = RIGHT | NUMBERS | NUMBERS.map(lambda number: f"[{','.join([number] * models.FEATURES)}]")
arrays = st.builds(rectangle, item, STEPS, ROWS)
named = st.builds(
    '{{"inputs": {{"{}": {}}}}}'.format, st.sampled_from(["tokens", "sequences", ""]), arrays
)
text = st.builds(
    lambda piece, count: json.dumps(piece * min(count, 1_000_000 // max(1, len(piece)))),
    st.sampled_from(["", "good ", "a", "<", "<br>", "день ", "\ud800", "\0", "!"])
    | st.text(max_size=9),
    st.sampled_from([0, 1, 50, 10_000, 10**6]),
)
texts = st.builds(
    lambda first, rest, count: f'{{"texts": [{", ".join([first, *[rest] * count])}]}}',
    text,
    text.filter(lambda text: len(text) < 1000),
    st.sampled_from([0, 1, 63, 64]),
)
nested = st.builds(
    lambda sign, depth: sign * depth, st.sampled_from(["[", '{"inputs":', "[[],"]), STEPS
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["inputs", "texts", "tokens", "sequences", "x"]), inner)
    ),
).map(json.dumps)
bodies = st.one_of(named, texts, nested, anything).map(str.encode) | st.binary(max_size=200)

# Requests: heads that are right, odd or broken, and frames of streams

words = st.text("aZ09-_:/%.*?= \t\x00\xff\r\n", max_size=12)
methods = st.sampled_from(["GET", "POST", "POST", "HEAD", "OPTIONS", "CONNECT", "PRI"]) | words
targets = (
    st.sampled_from(
        [
            "/predict",
            "/predict",
            "/health",
            "/metrics",
            "/stream",
            "*",
            "http://a/predict",
            "/%ff%00",
        ]
    )
    | words
)
fields = st.tuples(
    st.sampled_from(
        ["Host", "Origin", "Expect", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding"]
    )
    | words,
    st.sampled_from(
        [
            "a",
            "100-continue",
            "websocket",
            "h2c",
            "close",
            "upgrade",
            "-1",
            "9" * 30,
            "chunked",
            "null",
        ]
    )
    | words
    | st.just("a" * 100_000),
)
chunked = '5\r\n{{"te\r\n{:x}\r\n{}\r\n0\r\n\r\n'


def request(
    method: str, target: str, more: list[tuple[str, str]], body: bytes, framing: str
) -> bytes:
    head = [f"{method} {target} HTTP/1.1", "Host: a"]
    head += [f"{name}: {value}" for name, value in more]
    if framing == "chunked":
        head.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        length = {"right": len(body), "short": len(body) // 2, "long": len(body) + 9}[framing]
        head.append(f"Content-Length: {length}")
    return "\r\n".join([*head, "", ""]).encode("latin-1", errors="replace") + body


requests = st.builds(
    request,
    methods,
    targets,
    st.lists(fields, max_size=3),
    bodies,
    st.sampled_from(["right", "right", "short", "long", "chunked"]),
)
posts = bodies.map(lambda body: request("POST", "/predict", [], body, "right"))

frames = st.builds(
    lambda opcode, data, fin, mask: Frame(opcode, data, fin=fin).serialize(mask=mask),
    st.sampled_from([Opcode.TEXT, Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    bodies,
    st.booleans() | st.just(True),
    st.booleans() | st.just(True),
)
controls = st.builds(
    lambda opcode, data: Frame(opcode, data).serialize(mask=True),
    st.sampled_from([Opcode.PING, Opcode.PONG, Opcode.CLOSE]),
    st.binary(max_size=125),
)
huge = st.sampled_from([b"\x81\xff" + struct.pack("!Q", 2**62), b"\xf1\x80", b"\x81\xfe\xff"])
streams = st.lists(frames | controls | huge | st.binary(max_size=20), max_size=6).map(
    lambda sent: HANDSHAKE + b"".join(sent)
)
sent = st.one_of(posts, requests, st.lists(requests, min_size=2, max_size=4).map(b"".join), streams)
endings = st.sampled_from(["read", "read", "cut", "half", "leave"])


@pytest.fixture(scope="module")
def besieged(exported: Artifact, streamed: tuple[Artifact, keras.Model]) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        directories = (exported.directory, streamed[0].directory)
        yield [stack.enter_context(serving(each, *BRIEF)) for each in directories]


@besieging
@given(which=st.integers(0, 1), clients=st.lists(st.tuples(sent, endings), min_size=1, max_size=5))
def test_whatever_is_sent_it_goes_on(
    besieged: list[Server], which: int, clients: list[tuple[bytes, str]]
) -> None:
    server = besieged[which]
    with ExitStack() as stack:
        reading = []
        for data, ending in clients:
            connection = stack.enter_context(server.connect())
            with suppress(OSError):  # it may be refused before all of it is sent
                if data.startswith(HANDSHAKE):
                    connection.sendall(HANDSHAKE)
                    connection.recv(2**16)  # frames that come with it are lost
                connection.sendall(data.removeprefix(HANDSHAKE))
                if ending == "half":
                    connection.shutdown(socket.SHUT_WR)
                elif ending == "cut":
                    reset = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    connection.close()
                elif ending == "read":
                    reading.append(connection)
        for connection in reading:
            with suppress(ConnectionError):
                while received := connection.recv(2**16):
                    assert not received.startswith(b"HTTP/1.1 500")
    health = httpx.get(f"{server.address}/health", timeout=20)  # on a connection of its own
    assert health.json() == {"status": "ok"}
    assert server.megabytes < 1000
