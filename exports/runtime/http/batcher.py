"""Requests that arrive while batches run become the next batch."""

import asyncio
import collections
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic

from exports.errors import ExportError
from exports.runtime.http.batching import Answer, Batching, Given


class QueueFullError(Exception):
    """As many requests as may wait are waiting."""


@dataclass(frozen=True)
class _Waiting(Generic[Given, Answer]):
    given: Given
    rows: int
    length: int
    kind: Hashable
    answer: asyncio.Future[Answer]


class Batcher(Generic[Given, Answer]):
    """Runs batches in threads, each made of the requests that wait when a thread is free.

    Args:
        batching: how requests are run as one batch.
        max_batch: rows of a batch; a request that has more is run alone.
        max_size: rows of a batch times the length of the longest, likewise.
        max_parallel: batches that run at the same time.
        max_queue: requests that may wait.
        observe: is told the rows of each batch.
    """

    def __init__(
        self,
        batching: Batching[Given, Answer],
        *,
        max_batch: int,
        max_size: int,
        max_parallel: int,
        max_queue: int,
        observe: Callable[[int], None],
    ) -> None:
        self._batching = batching
        self._max_batch = max_batch
        self._max_size = max_size
        self._max_parallel = max_parallel
        self._max_queue = max_queue
        self._observe = observe
        self._queue: collections.deque[_Waiting[Given, Answer]] = collections.deque()
        self._workers: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._queue)

    async def answer(self, given: Given) -> Answer:
        """Wait for the batch that `given` becomes part of.

        Raises:
            ExportError: if the model does not take `given`.
            QueueFullError: if too many wait.
        """
        if len(self) >= self._max_queue:
            raise QueueFullError(f"{len(self)} requests wait already: try again later.")
        rows, length = self._batching.rows(given), self._batching.length(given)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(given, rows, length, self._batching.kind(given), answer))
        if len(self._workers) < self._max_parallel:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await answer

    async def _work(self) -> None:
        """Run batches until nothing waits."""
        while batch := self._next():
            self._observe(sum(waiting.rows for waiting in batch))
            try:
                answers = await asyncio.to_thread(self._run, [waiting.given for waiting in batch])
            except Exception as error:  # whatever it is, those who wait must hear of it
                answers = [error] * len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                _settle(waiting.answer, answer)

    def _next(self) -> list[_Waiting[Given, Answer]]:
        """Take the first request from the queue, and those of its kind that go with it."""
        batch: list[_Waiting[Given, Answer]] = []
        left: collections.deque[_Waiting[Given, Answer]] = collections.deque()
        rows = longest = 0
        for waiting in self._queue:
            if waiting.answer.done():  # nobody waits for it any longer
                continue
            more, length = rows + waiting.rows, max(longest, waiting.length)
            if not batch or (
                waiting.kind == batch[0].kind
                and more <= self._max_batch
                and more * length <= self._max_size
            ):
                batch.append(waiting)
                rows, longest = more, length
            else:
                left.append(waiting)
        self._queue = left
        return batch

    def _run(self, requests: Sequence[Given]) -> Sequence[Answer | Exception]:
        try:
            return self._batching.run(requests)
        except ExportError as error:
            if len(requests) == 1:
                return [error]
        # One that is wrong must not be the end of the others.
        return [self._run([given])[0] for given in requests]


def _settle(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
