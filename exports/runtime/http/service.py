"""What the server answers: predict, stream, health and metrics."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sized
from typing import Any

import numpy as np
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketClose, WebSocketDisconnect

from exports.errors import ExportError
from exports.runtime.http.batcher import Batcher, QueueFullError
from exports.runtime.http.batching import Batching, Given, Inputs, Texts, takes_padding
from exports.runtime.http.generation import Generation, Wanted
from exports.runtime.http.limits import Limits
from exports.runtime.http.metrics import Metrics
from exports.runtime.predictor import Prediction, Predictor, Sentences, Stream
from exports.schema import ENCODE
from exports.signature import Arrays

_PATHS = ("/predict", "/generate", "/health", "/metrics")
_LATER = {"Retry-After": "1"}
_CLIENT_LEFT = 499  # nobody reads it: it is for the count
_IMPOSSIBLE, _RESTARTING, _TRY_AGAIN = 1008, 1012, 1013  # why a WebSocket is closed


class Service:
    """An ASGI application that answers with a model.

    Args:
        predictor: the model.
        limits: how much is taken on.
        origins: of web pages that may ask beside its own, such as "https://example.com".

    Attributes:
        stopping: set it, and whatever comes from then on is refused.
        limits: how much is taken on.
        active: requests and chunks that were taken on and are not answered yet.

    Raises:
        ExportError: if the artifact has no ONNX files, or they do not run.
    """

    def __init__(self, predictor: Predictor, limits: Limits, origins: Collection[str] = ()) -> None:
        self.stopping = False
        self.active = 0
        self.limits = limits
        self._predictor = predictor
        self._origins = origins
        self._streams = 0
        self._silent: dict[asyncio.Timeout, float] = {}
        self._unsent = 0
        self._metrics = Metrics()
        sizes = {
            "max_batch": limits.max_batch,
            "max_parallel": limits.max_parallel,
            "max_queue": limits.max_queue,
        }
        observe = self._metrics.batch_rows.observe
        _warm_up(predictor)
        padded = takes_padding(predictor)
        self._joined_texts = Texts(predictor, padded=padded)
        self._joined_inputs = Inputs(predictor, padded=padded)
        self._texts = Batcher(
            self._joined_texts, **sizes, max_size=limits.max_bytes, observe=observe
        )
        self._inputs = Batcher(
            self._joined_inputs, **sizes, max_size=limits.max_steps, observe=observe
        )
        self._generation = Generation(predictor, limits)
        queues: tuple[Sized, ...] = (self._texts, self._inputs, self._generation)
        self._metrics.waiting.set_function(lambda: sum(map(len, queues)))
        self._metrics.streams.set_function(lambda: self._streams)
        self._routes = Starlette(
            routes=[
                Route("/predict", self._predict, methods=["POST"]),
                Route("/generate", self._generate, methods=["POST"]),
                Route("/health", self._health),
                Route("/metrics", self._show_metrics),
                WebSocketRoute("/stream", self._stream),
            ],
            middleware=[
                Middleware(
                    CORSMiddleware, origins, allow_methods=["POST"], allow_headers=["Content-Type"]
                )
            ]
            if origins
            else [],
            exception_handlers={
                HTTPException: self._refuse,
                ExportError: self._refuse_inputs,
                QueueFullError: self._refuse_for_now,
                ClientDisconnect: self._give_up,
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, count it and time it."""
        if scope["type"] != "http":
            refused = self._is_foreign(scope) or self._is_too_long(scope)
            await (WebSocketClose() if refused else self._routes)(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in _PATHS else "other"
        start = time.perf_counter()

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(path, message["status"], time.perf_counter() - start)
                if self.stopping:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        with self._working():
            await self._application(scope)(scope, receive, observed)

    def _application(self, scope: Scope) -> ASGIApp:
        """Return what answers a request: that which refuses it, maybe."""
        if self.stopping:
            return _stopped
        if self._is_foreign(scope):
            return _foreign
        if self._is_too_long(scope):
            return _refusal(431, f"A head has up to {self.limits.max_head_bytes} bytes.")
        return self._routes

    def _is_too_long(self, scope: Scope) -> bool:
        """Tell whether the head is: the protocol lets pass what came in one piece."""
        fields = itertools.chain(*scope["headers"], [scope["raw_path"], scope["query_string"]])
        return sum(map(len, fields)) > self.limits.max_head_bytes

    def _is_foreign(self, scope: Scope) -> bool:
        """Tell whether a browser sends this for a page of another host, which it says itself."""
        headers = Headers(scope=scope)
        return any(
            origin not in (f"http://{headers.get('host')}", f"https://{headers.get('host')}")
            and origin not in self._origins
            for origin in headers.getlist("origin")
        )

    # Predict

    async def _predict(self, request: Request) -> Response:
        async with self._in_time(408, "The body did not arrive in time."):
            body = await self._body(request)
        async with self._in_time(503, "There was no answer in time: try again later."):
            content = await self._answer(_parsed(body))
        return _Answer(content, self._sending)

    async def _generate(self, request: Request) -> Response:
        async with self._in_time(408, "The body did not arrive in time."):
            body = await self._body(request)
        wanted = self._generation.wanted(_parsed(body))
        if wanted.stream:
            return StreamingResponse(self._events(wanted), media_type="text/event-stream")
        async with self._in_time(503, "There was no answer in time: try again later."):
            texts = await self._generation.texts(wanted)
        return _Answer({"texts": texts}, self._sending)

    async def _events(self, wanted: Wanted) -> AsyncIterator[str]:
        """Send each piece of a text as an event, and the whole text as the last one."""
        text = ""
        try:
            async with contextlib.aclosing(self._generation.pieces(wanted)) as pieces:
                async for piece in pieces:
                    text += piece
                    yield _event({"piece": piece})
        except ExportError as error:
            yield _event({"error": self._said(error)})
        except QueueFullError as error:
            yield _event({"error": str(error)})
        else:
            yield _event({"text": text})

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self.limits.max_bytes:
                raise HTTPException(413, f"A body has up to {self.limits.max_bytes} bytes.")
        return bytes(body)

    async def _answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked.keys() == {"texts"} and self._predictor.reads_words:
            sentences = self._sentences(_strings(asked["texts"]))
            return await self._outputs(sentences.inputs, sentences.words)
        if asked.keys() == {"texts"}:
            texts = _strings(asked["texts"])
            self._check(self._joined_texts, texts, self.limits.max_bytes, "characters")
            predictions = await self._texts.answer(texts)
            shown = {"predictions": [_shown(prediction) for prediction in predictions]}
            answers = [prediction.answer for prediction in predictions]
            return {**shown, "answers": answers} if self._has_answers else shown
        if asked.keys() == {"inputs"}:
            arrays = self._predictor.read_inputs(asked["inputs"])
            return await self._outputs(arrays, arrays)
        raise HTTPException(422, 'Give {"texts": [...]} or {"inputs": {name: rows, ...}}.')

    def _sentences(self, texts: list[str]) -> Sentences:
        """Read sentences, unless their bytes would take too much memory."""
        words = max((len(text.split()) for text in texts), default=0)
        self._check_size(len(texts), words, self.limits.max_steps, "words")
        return self._predictor.read_sentences(texts)

    async def _outputs(self, arrays: Arrays, rows: Arrays | list[list[str]]) -> dict[str, Any]:
        """Run arrays, and say what the outputs mean; `rows` are the inputs or their words."""
        self._check(self._joined_inputs, arrays, self.limits.max_steps, "steps")
        outputs = await self._inputs.answer(arrays)
        listed = {"outputs": _listed(outputs)}
        if not self._has_answers:
            return listed
        answers = await asyncio.to_thread(self._predictor.answers, outputs, rows)
        return {**listed, "answers": answers}

    @property
    def _has_answers(self) -> bool:
        return self._predictor.artifact.config.answer is not None

    def _check(self, batching: Batching[Given, Any], given: Given, most: int, unit: str) -> None:
        """Refuse what would take too much memory, before it is run."""
        self._check_size(batching.rows(given), batching.length(given), most, unit)
        if batching.values(given) > self.limits.max_values:
            raise HTTPException(413, f"An answer has up to {self.limits.max_values} numbers.")

    def _check_size(self, rows: int, length: int, most: int, unit: str) -> None:
        if not rows:
            raise HTTPException(422, "A request has at least one row.")
        if rows > self.limits.max_rows:
            raise HTTPException(413, f"A request has up to {self.limits.max_rows} rows.")
        if rows * length > most:
            raise HTTPException(
                413, f"A request has up to {most} {unit}: rows times {unit} of the longest."
            )

    @contextlib.asynccontextmanager
    async def _in_time(self, status: int, reason: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.limits.max_seconds):
                yield
        except TimeoutError as error:
            raise HTTPException(status, reason, _LATER) from error

    # Stream

    async def _stream(self, websocket: WebSocket) -> None:
        """Answer the chunks of a sequence, one after the other, until either side ends it."""
        await websocket.accept()  # browsers see why a connection was closed, not why none was made
        if self.stopping or not self._has_room():
            await websocket.close(_TRY_AGAIN, "No further stream is taken: try again later.")
            return
        try:
            stream = self._predictor.stream()
        except ExportError as error:
            await websocket.close(_IMPOSSIBLE, self._said(error))
            return
        self._streams += 1
        try:
            await self._converse(websocket, stream)
        except WebSocketDisconnect:
            pass  # while an answer was on its way
        finally:
            self._streams -= 1

    def _has_room(self) -> bool:
        """Tell whether a stream can be taken; one that has been silent for long gives way."""
        if self._streams < self.limits.max_streams:
            return True
        longest = next(iter(self._silent), None)
        now = asyncio.get_running_loop().time()
        if longest is None or now - self._silent[longest] < self.limits.max_seconds:
            return False
        del self._silent[longest]
        longest.reschedule(now)
        return True

    async def _converse(self, websocket: WebSocket, stream: Stream) -> None:
        while (chunk := await self._heard(websocket)) is not None:
            with self._working():
                try:
                    async with asyncio.timeout(self.limits.max_seconds):
                        answer = await self._fed(stream, chunk)
                except TimeoutError:
                    # A thread may still be at it, so nobody knows the state.
                    await websocket.close(_TRY_AGAIN, "There was no answer in time.")
                    return
                await self._tell(websocket, answer)
            if self.stopping:
                await websocket.close(_RESTARTING)
                return

    async def _heard(self, websocket: WebSocket) -> str | bytes | None:
        """Wait for a chunk; None is the end of the stream."""
        try:
            async with asyncio.timeout(self.limits.max_idle_seconds) as silence:
                self._silent[silence] = asyncio.get_running_loop().time()
                message = await websocket.receive()
        except TimeoutError:
            await websocket.close(_TRY_AGAIN, "The stream was silent for too long.")
            return None
        finally:
            self._silent.pop(silence, None)
        if message["type"] != "websocket.receive":
            return None
        return message.get("text") or message.get("bytes") or ""

    async def _fed(self, stream: Stream, chunk: str | bytes) -> dict[str, Any]:
        try:
            asked = _parsed(chunk)
            if asked.keys() != {"inputs"}:
                raise HTTPException(422, 'Give {"inputs": {name: rows, ...}}.')
            arrays = self._predictor.read_inputs(asked["inputs"])
            self._check(self._joined_inputs, arrays, self.limits.max_steps, "steps")
            outputs = _listed(await asyncio.to_thread(stream.feed, arrays))
        except HTTPException as error:
            return {"error": error.detail}
        except ExportError as error:
            return {"error": self._said(error)}
        self._metrics.chunks.inc()
        return {"outputs": outputs}

    async def _tell(self, websocket: WebSocket, answer: dict[str, Any]) -> None:
        text = json.dumps(answer)
        try:
            with self._sending(len(text)):
                await websocket.send_text(text)
        except QueueFullError as error:
            await websocket.send_json({"error": str(error)})

    # Health and metrics

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _show_metrics(self, _: Request) -> Response:
        content = generate_latest(self._metrics.registry)
        return Response(content, media_type=CONTENT_TYPE_LATEST)

    # What is refused

    async def _refuse(self, _: Any, error: Any) -> Response:
        return _refusal(error.status_code, error.detail, error.headers)

    async def _refuse_inputs(self, _: Any, error: Any) -> Response:
        return _refusal(422, self._said(error))

    async def _refuse_for_now(self, _: Any, error: Any) -> Response:
        return _refusal(503, str(error), _LATER)

    async def _give_up(self, _: Any, error: Any) -> Response:
        return _refusal(_CLIENT_LEFT, "")

    def _said(self, error: ExportError) -> str:
        """Say what is wrong, but not where the files are."""
        return str(error).replace(f"{self._predictor.artifact.directory}", "the server")

    @contextlib.contextmanager
    def _sending(self, size: int) -> Iterator[None]:
        """Count the bytes of an answer while they are sent, or refuse to."""
        if self._unsent + size > self.limits.max_unsent_bytes:
            raise QueueFullError(
                "Too many answers wait for their clients to read: try again later."
            )
        self._unsent += size
        try:
            yield
        finally:
            self._unsent -= size

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1


class _Answer(JSONResponse):
    """An answer that is counted while it is sent."""

    def __init__(
        self, content: Any, sending: Callable[[int], contextlib.AbstractContextManager[None]]
    ) -> None:
        super().__init__(content)
        self._sending = sending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._sending(len(self.body)):
            await super().__call__(scope, receive, send)


_stopped = JSONResponse({"error": "The server stops: ask another one."}, 503, _LATER)
_foreign = JSONResponse(
    {"error": "This server takes no requests of pages of other hosts: see --origin."}, 403
)


def _warm_up(predictor: Predictor) -> None:
    """Load the files, and find out before the first request whether they run."""
    request = predictor.artifact.request
    predictor.predict(request)
    if predictor.artifact.states:
        row = {name: rows[:1] for name, rows in request.items()}
        predictor.stream().feed(row)
    if predictor.artifact.config.text is not None:
        predictor.predict_text(["a text"])
    if predictor.artifact.config.writing is not None:
        predictor.generate(_first_row(predictor), longest=1)


def _first_row(predictor: Predictor) -> Any:
    """Return what a model reads before it writes."""
    if predictor.writing.start is None:
        return ["a text"]
    names = [array.name for array in predictor.artifact.endpoint(ENCODE).inputs]
    return {name: predictor.artifact.request[name][:1] for name in names}


def _event(content: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"


def _refusal(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": reason}, status, headers)


def _parsed(body: str | bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"This is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise HTTPException(422, "A request is a JSON object.")
    return content


def _strings(texts: Any) -> list[str]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise HTTPException(422, '"texts" is a list of strings.')
    return texts


def _shown(prediction: Prediction) -> dict[str, Any]:
    outputs = _listed(prediction.outputs)
    if prediction.label is None:
        return {"outputs": outputs}
    return {"label": prediction.label, "scores": prediction.scores}


def _listed(outputs: Arrays) -> dict[str, Any]:
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise HTTPException(422, f"For this, {name!r} is not finite, and JSON has no such.")
    return {name: values.tolist() for name, values in outputs.items()}
