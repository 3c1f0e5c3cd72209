"""How much a server takes on."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much a server takes on; what is beyond is refused with a reason.

    Attributes:
        max_bytes: of a request, or of a chunk of a stream.
        max_rows: of a request: texts, or rows of its arrays.
        max_batch: rows of several requests that are run together.
        max_parallel: batches that run at the same time, each on one core.
        max_queue: requests that wait to be run.
        max_streams: streams that are open.
        max_seconds: for a body to arrive, and for an answer to be found.
    """

    max_bytes: int = 2**20
    max_rows: int = 64
    max_batch: int = 32
    max_parallel: int = os.cpu_count() or 1
    max_queue: int = 256
    max_streams: int = 64
    max_seconds: float = 10.0
