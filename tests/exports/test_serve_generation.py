"""A server of a model that writes: whole texts, and pieces as they come."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from exports import Artifact
from exports.runtime import Predictor
from tests.exports.servers import Server, serving


@pytest.fixture(scope="module")
def server(written: Artifact) -> Iterator[Server]:
    with serving(written.directory, "--max-rows=3", "--max-steps=600") as server:
        yield server


def post(server: Server, **asked: Any) -> httpx.Response:
    return server.client.post("/generate", json=asked)


def test_it_writes_what_the_predictor_writes(server: Server, written: Artifact) -> None:
    predictor = Predictor(written.directory)
    texts = ["abc", "dd", "a?"]
    assert post(server, texts=texts).json() == {"texts": predictor.generate(texts)}
    assert post(server, texts=texts, beam=9).json()["texts"] == predictor.generate(texts, beam=9)
    ids = [[1, 2, 3]]
    assert post(server, inputs={"letters": ids}).json()["texts"] == predictor.generate("abc")
    drawn: dict[str, Any] = {"temperature": 1.5, "top_k": 2, "top_p": 0.9, "seed": 5, "longest": 40}
    assert post(server, texts=texts, **drawn).json()["texts"] == predictor.generate(texts, **drawn)


def test_pieces_are_events(server: Server, written: Artifact) -> None:
    drawn: dict[str, Any] = {"temperature": 1.0, "seed": 2, "longest": 30}
    (text,) = Predictor(written.directory).generate("abcd", **drawn)
    asked = {"texts": ["abcd"], "stream": True, **drawn}
    with server.client.stream("POST", "/generate", json=asked) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["piece"] for event in events[:-1]] == list(text)
    assert events[-1] == {"text": text}


@pytest.mark.parametrize(
    ("asked", "status", "error"),
    [
        ({"texts": "abc"}, 422, '"texts" is a list of strings'),
        ({}, 422, 'Give {"texts"'),
        ({"texts": ["a"], "beams": 3}, 422, "'beams' is no option: beam, longest"),
        ({"texts": ["a"], "beam": True}, 422, "'beam' cannot be True"),
        ({"texts": ["a"], "beam": 10_000}, 422, "'beam' is 1 to 256"),
        ({"texts": ["a"], "longest": 0}, 422, "'longest' at least 1"),
        ({"texts": ["a"], "longest": 1000}, 413, "rows times 'longest' times 'beam'"),
        ({"texts": ["a"] * 4}, 413, "1 to 3 rows"),
        ({"texts": []}, 413, "1 to 3 rows"),
        ({"texts": ["a"], "temperature": -1}, 422, "the temperature must be 0 to 100"),
        ({"texts": ["a", "b"], "stream": True}, 422, "One text is streamed at a time"),
        ({"inputs": {"letters": [["a"]]}}, 422, "'letters' holds int32 numbers"),
    ],
)
def test_what_is_refused(asked: Any, status: int, error: str, server: Server) -> None:
    answer = post(server, **asked)
    assert answer.status_code == status
    assert error in answer.json()["error"]


def test_a_model_that_writes_nothing_says_so(exported: Artifact) -> None:
    with serving(exported.directory) as server:
        answer = post(server, texts=["good"])
    assert answer.status_code == 422
    assert answer.json()["error"] == "the server holds a model that writes no text."
