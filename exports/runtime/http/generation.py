"""Texts that a model writes, whole or piece by piece."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from starlette.exceptions import HTTPException

from exports.runtime.generation import Sampling
from exports.runtime.http.batcher import QueueFullError
from exports.runtime.http.limits import Limits
from exports.runtime.predictor import Predictor
from exports.schema import ENCODE

T = TypeVar("T")

_SAMPLING: dict[str, Any] = {
    "temperature": (int, float),
    "top_k": int,
    "top_p": (int, float),
    "seed": int,
}
_OPTIONS: dict[str, Any] = {"beam": int, "longest": int, "stream": bool, **_SAMPLING}
_MOST_BEAM = 256


class Wanted(NamedTuple):
    """What is to be written.

    Attributes:
        given: texts, or the arrays of the rows that are read.
        rows: how many there are.
        beam: hypotheses of the search, unless it is drawn.
        longest: symbols of a text, at most.
        sampling: how symbols are drawn; None: the search.
        stream: whether the text comes piece by piece.
    """

    given: Any
    rows: int
    beam: int
    longest: int
    sampling: Sampling | None
    stream: bool


class Generation:
    """Writes for a server, in so many threads as it may have, and lets others wait.

    Args:
        predictor: the model.
        limits: how much is taken on.
    """

    def __init__(self, predictor: Predictor, limits: Limits) -> None:
        self._predictor, self._limits = predictor, limits
        self._slots = asyncio.Semaphore(limits.max_parallel)
        self._waiting = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return self._waiting

    def wanted(self, asked: Mapping[str, Any]) -> Wanted:
        """Read a request.

        Raises:
            HTTPException: if it is none, or asks for too much.
            ExportError: if the model writes no text, or an option is out of bounds.
        """
        writing, limits = self._predictor.writing, self._limits
        if unknown := asked.keys() - _OPTIONS.keys() - {"texts", "inputs"}:
            raise HTTPException(422, f"{min(unknown)!r} is no option: {', '.join(_OPTIONS)}.")
        if len(asked.keys() & {"texts", "inputs"}) != 1:
            raise HTTPException(422, 'Give {"texts": [...]} or {"inputs": {name: rows, ...}}.')
        for name, kind in _OPTIONS.items():
            value = asked.get(name)
            fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
            if value is not None and not fits:
                raise HTTPException(422, f"{name!r} cannot be {value!r}.")
        asked = {name: value for name, value in asked.items() if value is not None}
        given, rows = self._given(asked)
        options = {name: asked[name] for name in _SAMPLING if name in asked}
        drawn = bool(options) or writing.start is None or bool(asked.get("stream"))
        beam, longest = asked.get("beam", writing.beam), asked.get("longest", writing.longest)
        if not 1 <= beam <= _MOST_BEAM or longest < 1:
            raise HTTPException(422, f"'beam' is 1 to {_MOST_BEAM}, and 'longest' at least 1.")
        if not 1 <= rows <= limits.max_rows:
            raise HTTPException(413, f"A request has 1 to {limits.max_rows} rows.")
        if rows * longest * (1 if drawn else beam) > limits.max_steps:
            raise HTTPException(
                413,
                f"A request has up to {limits.max_steps} steps: rows times 'longest' times 'beam'.",
            )
        stream = bool(asked.get("stream"))
        if stream and rows > 1:
            raise HTTPException(422, "One text is streamed at a time.")
        return Wanted(given, rows, beam, longest, Sampling(**options) if drawn else None, stream)

    def _given(self, asked: Mapping[str, Any]) -> tuple[Any, int]:
        if "texts" in asked:
            texts = asked["texts"]
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise HTTPException(422, '"texts" is a list of strings.')
            return texts, len(texts)
        arrays = self._predictor.artifact.endpoint(ENCODE).name_inputs(asked["inputs"])
        return arrays, len(next(iter(arrays.values())))

    async def texts(self, wanted: Wanted) -> list[str]:
        """Write a text for each row.

        Raises:
            QueueFullError: if too many wait already.
            ExportError: if the model does not read what is given.
        """
        predictor, sampling = self._predictor, wanted.sampling

        def write() -> list[str]:
            if sampling is None:
                return predictor.generate(wanted.given, beam=wanted.beam, longest=wanted.longest)
            return predictor.generate(wanted.given, longest=wanted.longest, **vars(sampling))

        return await self._run(write)

    async def pieces(self, wanted: Wanted) -> AsyncGenerator[str, None]:
        """Write a text piece by piece.

        Raises:
            QueueFullError: if too many wait already.
            ExportError: if the model does not read what is given.
        """
        (row,) = wanted.given if isinstance(wanted.given, list) else [wanted.given]
        assert wanted.sampling is not None
        written: Iterator[str] = self._predictor.write(row, wanted.sampling, wanted.longest)
        while piece := await self._run(lambda: next(written, "")):
            yield piece

    async def _run(self, work: Callable[[], T]) -> T:
        """Run in a thread, which keeps its slot until it is done, whoever has gone by then."""
        if self._slots.locked() and self._waiting >= self._limits.max_queue:
            raise QueueFullError("Too many requests wait: try again later.")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        running = asyncio.ensure_future(asyncio.to_thread(work))
        running.add_done_callback(lambda _: self._slots.release())
        return await asyncio.shield(running)
