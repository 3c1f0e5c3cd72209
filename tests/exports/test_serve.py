"""The server as its clients see it: `recurrent serve` in a process of its own, over HTTP."""

import asyncio
import dataclasses
import functools
import json
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from exports import Artifact, export
from exports.runtime.http.batcher import Batcher
from exports.runtime.http.batching import Batching, Inputs, takes_padding
from exports.runtime.http.limits import Limits
from exports.runtime.predictor import Predictor
from exports.text import TextEncoder
from pipeline.cli import command
from tests.exports import models
from tests.exports.servers import SLOW, TAKES_SLOW, Server, serving, until


@pytest.fixture(scope="module")
def texts(exported: Artifact) -> Iterator[Server]:
    with serving(exported.directory, "--max-parallel=1", TAKES_SLOW) as server:
        yield server


@pytest.fixture(scope="module")
def strict(streamed: tuple[Artifact, keras.Model]) -> Iterator[Server]:
    """A server of sequences that takes on little."""
    limits = ("--max-bytes=1000", "--max-rows=3", "--max-streams=2")
    with serving(streamed[0].directory, *limits) as server:
        yield server


def test_it_answers_without_tensorflow(
    texts: Server, model: keras.Model, encoder: TextEncoder
) -> None:
    assert texts.client.get("/health").json() == {"status": "ok"}
    assert texts.address.startswith("http://127.0.0.1:")
    assert "tensorflow" not in Path(f"/proc/{texts.process.pid}/maps").read_text()
    given = ["good!", "not good", ""]
    answer = texts.post({"texts": given}).json()["predictions"]
    for text, prediction in zip(given, answer, strict=True):
        (expected,) = np.asarray(model(encoder([text])))
        assert prediction["scores"] == pytest.approx(
            dict(zip(["negative", "positive"], expected, strict=True)), abs=1e-6
        )
        assert prediction["label"] == max(prediction["scores"], key=prediction["scores"].get)
    outputs = texts.post({"inputs": {"tokens": [[2, 3, 4]]}}).json()["outputs"]
    np.testing.assert_allclose(outputs["label"], model(np.array([[2, 3, 4]])), atol=1e-6)


def test_requests_that_wait_are_joined_and_each_gets_its_own_answer(
    texts: Server, model: keras.Model
) -> None:
    before = texts.count("recurrent_batch_rows_count")
    rows = [[[2, 3, 4]] * (length % 3 + 1) for length in range(12)]
    rows = [[row * (length + 1) for row in request] for length, request in enumerate(rows)]
    with ThreadPoolExecutor(14) as pool:
        slow = pool.submit(texts.post, SLOW)
        until(lambda: texts.count("recurrent_batch_rows_count") > before)
        wrong = pool.submit(texts.post, {"inputs": {"tokens": [[99]]}})
        right = [pool.submit(texts.post, {"inputs": {"tokens": request}}) for request in rows]
    assert slow.result().status_code == 200
    assert wrong.result().status_code == 422
    assert "out of data bounds" in wrong.result().json()["error"]
    for request, answer in zip(rows, right, strict=True):
        outputs = answer.result().json()["outputs"]["label"]
        np.testing.assert_allclose(outputs, model(np.array(request)), atol=1e-6)
    assert texts.count("recurrent_batch_rows_count") - before < len(rows) / 2


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", 400, "This is not JSON: Expecting property name"),
        (b"\xff", 400, "This is not JSON: 'utf-8' codec"),
        (b"[" * 900, 400, "This is not JSON"),
        (b'{"inputs": {"sequences": [[[NaN, 1, 1]]]}}', 422, "'sequences' holds nan at [0, 0, 0]"),
        (b'{"inputs": {"sequences": [[[1, 1, 1e999]]]}}', 422, "holds inf at [0, 0, 2]"),
        (b"[]", 422, "A request is a JSON object"),
        (b"{}", 422, 'Give {"texts": [...]} or {"inputs": {name: rows, ...}}'),
        (b'{"texts": ["a", 1]}', 422, '"texts" is a list of strings'),
        (b'{"texts": []}', 422, "A request has at least one row"),
        (b'{"texts": ["good"]}', 422, "the server holds a model that takes no text"),
        (b'{"texts": ["a", "b", "c", "d"]}', 413, "A request has up to 3 rows"),
        (
            b'{"inputs": {"sequences": [[[1, 1, 1]], [[1, 1, 1]], [[1, 1, 1]], [[1, 1, 1]]]}}',
            413,
            "3 rows",
        ),
        (b'{"inputs": {"x": 1}}', 422, "The inputs are ['sequences'], not ['x']"),
        (b'{"inputs": {"sequences": [[1]]}}', 422, "the shape [batch, time, 3], not [1, 1]"),
        (b'{"inputs": {"sequences": [[[1e99, 1, 1]]]}}', 422, "holds float32 numbers"),
        (b" " * 1001, 413, "A body has up to 1000 bytes"),
    ],
)
def test_what_is_refused(body: bytes, status: int, error: str, strict: Server) -> None:
    answer = strict.client.post("/predict", content=body)
    assert answer.status_code == status and error in answer.json()["error"]


def test_addresses_that_are_not_there(strict: Server) -> None:
    assert strict.client.get("/").status_code == 404
    assert strict.client.get("/predict").status_code == 405


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "1e300", "9" * 40, "many"])
@pytest.mark.parametrize("limit", [limit.name for limit in dataclasses.fields(Limits)] + ["port"])
def test_limits_that_are_none(limit: str, value: str, tmp_path: Path) -> None:
    option = f"--{limit.replace('_', '-')}"
    outcome = CliRunner().invoke(command, ["serve", str(tmp_path), option, value])
    assert outcome.exit_code == 2 and option in outcome.output


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ("--max-queue=1", "1 requests wait already: try again later."),
        ("--max-seconds=0.5", "There was no answer in time: try again later."),
    ],
)
def test_more_than_may_wait_or_longer_than_it_may_take(
    option: str, error: str, exported: Artifact
) -> None:
    limits = ("--max-parallel=1", TAKES_SLOW, option)
    body = json.dumps(SLOW, separators=(",", ":")).encode()  # once: writing it holds up threads
    with serving(exported.directory, *limits) as server, ThreadPoolExecutor(8) as pool:
        post = functools.partial(server.client.post, "/predict", content=body)
        answers = [each.result() for each in [pool.submit(post) for _ in range(8)]]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.json()["error"] for answer in refused} == {error}
        assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
        counted = server.count("recurrent_requests_total", 'path="/predict",status="503"')
        assert counted == len(refused)


def test_a_client_that_leaves_in_the_middle_is_no_trouble(texts: Server) -> None:
    """That nothing is complained of is seen when the server stops."""
    host, port = texts.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half:
        half.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
    until(lambda: texts.count("recurrent_requests_total", 'path="/predict",status="499"') > 0)
    assert texts.post({"inputs": {"tokens": [[2]]}}).status_code == 200


# Streams


def feed(stream: ClientConnection, chunk: np.ndarray) -> np.ndarray:
    stream.send(json.dumps({"inputs": {"sequences": chunk.tolist()}}))
    return np.array(json.loads(stream.recv())["outputs"]["steps"])


def test_each_stream_has_a_state_of_its_own(
    strict: Server, streamed: tuple[Artifact, keras.Model]
) -> None:
    wholes = np.random.default_rng(5).normal(size=(2, 1, 9, models.FEATURES)).astype("float32")
    with strict.stream() as first, strict.stream() as second:
        chunks = [
            [
                feed(stream, whole[:, place])
                for stream, whole in ((first, wholes[0]), (second, wholes[1]))
            ]
            for place in (slice(0, 4), slice(4, 5), slice(5, 9))
        ]
        assert strict.count("recurrent_streams") == 2
        with strict.stream() as third, pytest.raises(ConnectionClosed, match=r"1013.*try again"):
            third.recv()
    for whole, parts in zip(wholes, zip(*chunks, strict=True), strict=True):
        np.testing.assert_allclose(np.concatenate(parts, axis=1), streamed[1](whole), atol=1e-6)


def test_a_chunk_that_is_wrong_leaves_the_state(strict: Server) -> None:
    steps = np.ones((1, 2, models.FEATURES), "float32")
    with strict.stream() as stream, strict.stream() as spoilt:
        for chunk in ("{", "{}", '{"inputs": {"sequences": [[1]]}}', '{"inputs": {"x": 1}}'):
            spoilt.send(chunk)
            assert json.loads(spoilt.recv())["error"]
        np.testing.assert_array_equal(feed(spoilt, steps), feed(stream, steps))


def test_a_chunk_that_is_too_large_ends_its_stream(strict: Server) -> None:
    with strict.stream() as stream:
        stream.send(" " * 1001)
        with pytest.raises(ConnectionClosed, match="1009"):
            stream.recv(20)


def test_a_model_that_cannot_stream(texts: Server) -> None:
    with texts.stream() as stream, pytest.raises(ConnectionClosed, match=r"1008.*no step model"):
        stream.recv()


# The end


def test_told_to_stop_under_load_it_loses_nothing(exported: Artifact) -> None:
    """Each request is answered or refused: none is cut off on a connection that stood."""
    asked = {"inputs": {"tokens": [[2, 3] * 1000]}}
    expected = Predictor(exported.directory)(asked["inputs"])["label"]
    told = threading.Event()

    def ask(address: str) -> list[int]:
        statuses: list[int] = []
        with httpx.Client(base_url=address, timeout=60) as client:
            while not told.is_set() or statuses[-1] == 200:
                try:
                    answer = client.post("/predict", json=asked)
                except httpx.ConnectError:
                    break
                statuses.append(answer.status_code)
                if answer.status_code == 200:
                    np.testing.assert_allclose(answer.json()["outputs"]["label"], expected, 1e-5)
        return statuses

    with serving(exported.directory) as server, ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(ask, server.address) for _ in range(8)]
        until(lambda: server.count("recurrent_batch_rows_sum") > 50)
        until(lambda: server.count("recurrent_waiting") > 0)
        server.process.send_signal(signal.SIGTERM)
        told.set()
        for client in clients:
            *answered, last = client.result()
            assert set(answered) == {200} and last in (200, 503)


def test_told_to_stop_it_ends_the_streams(streamed: tuple[Artifact, keras.Model]) -> None:
    with serving(streamed[0].directory) as server, server.stream() as stream:
        feed(stream, np.ones((1, 2, models.FEATURES)))
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv()
        assert closed.value.rcvd and closed.value.rcvd.code == 1012


# What may be joined


class Rows(Batching[int, int]):
    """Each request is a row as long as it says, and its own answer."""

    def rows(self, given: int) -> int:
        return 1

    def length(self, given: int) -> int:
        return given

    def values(self, given: int) -> int:
        return 1

    def kind(self, given: int) -> str:
        return "row"

    def run(self, requests: Sequence[int]) -> list[int]:
        return list(requests)


def test_a_batch_has_no_more_than_its_rows_times_the_longest() -> None:
    sizes: list[int] = []

    async def answered(lengths: Sequence[int]) -> list[int]:
        limits = {"max_batch": 4, "max_size": 12, "max_parallel": 1, "max_queue": 9}
        batcher = Batcher(Rows(), **limits, observe=sizes.append)
        return await asyncio.gather(*map(batcher.answer, lengths))

    lengths = [6, 1, 1, 2, 4, 1, 1, 1]
    assert asyncio.run(answered(lengths)) == lengths
    assert sizes == [2, 3, 3]


def test_rows_are_padded_only_where_the_mask_is_followed(
    exported: Artifact, streamed: tuple[Artifact, keras.Model], tmp_path: Path
) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(models.WORDS, models.FEATURES)(tokens)
    unmasked = models.randomized(keras.Model(tokens, keras.layers.GRU(models.UNITS)(x)))
    blind = Predictor(export(unmasked, tmp_path / "artifact", formats=["onnx"]).directory)
    assert takes_padding(Predictor(exported.directory))
    assert not takes_padding(Predictor(streamed[0].directory))
    assert not takes_padding(blind)
    batching = Inputs(blind, padded=takes_padding(blind))
    short, long, other = ({"tokens": np.full((1, steps), 2, "int32")} for steps in (2, 3, 2))
    assert batching.kind(short) == batching.kind(other) != batching.kind(long)
