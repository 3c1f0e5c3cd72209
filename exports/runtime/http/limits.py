"""How much a server takes on: every limit, with its default, its range and what it bounds."""

import os
from dataclasses import dataclass, field, fields
from typing import Any

from exports.errors import InvalidArgumentError

_MOST = 2**40


def _limit(default: float, meaning: str, least: float = 1, most: float = _MOST) -> Any:
    """Declare a limit; its type is that of its default."""
    return field(default=default, metadata={"meaning": meaning, "least": least, "most": most})


def _seconds(default: float, meaning: str) -> Any:
    return _limit(default, meaning, 0.01, 86_400)


@dataclass(frozen=True)
class Limits:
    """How much a server takes on; what is beyond is refused with a reason, or disconnected.

    Each limit says in its metadata what it bounds and which values it may have. The memory of a
    server is bounded by `max_connections` bodies of `max_bytes` each, `max_unsent_bytes`, and what
    the model needs for `max_parallel` batches of `max_steps`.

    Raises:
        ExportError: if a limit is out of its range.
    """

    max_connections: int = _limit(256, "Open connections; then the one silent longest is closed.")
    max_head_bytes: int = _limit(2**14, "Bytes of a request line with its headers.", 256, 2**24)
    max_bytes: int = _limit(2**20, "Bytes of a body, or of a chunk of a stream.")
    max_rows: int = _limit(64, "Rows of a request: texts, or rows of its arrays.")
    max_steps: int = _limit(2**15, "Rows times steps of the arrays of a request or a batch.")
    max_values: int = _limit(2**20, "Numbers in an answer.")
    max_batch: int = _limit(32, "Rows of several requests that run together.")
    max_parallel: int = _limit(os.cpu_count() or 1, "Batches that run at a time, a core each.")
    max_queue: int = _limit(256, "Requests that wait to be run.")
    max_streams: int = _limit(64, "Open streams; then one silent for --max-seconds is closed.")
    max_unsent_bytes: int = _limit(2**28, "Bytes of answers that clients have not read yet.")
    max_seconds: float = _seconds(
        10.0, "Seconds for a first head, a body, an answer, and for sending it: each."
    )
    max_idle_seconds: float = _seconds(
        60.0, "Seconds until a connection's next request, or a stream's next chunk."
    )
    max_stop_seconds: float = _seconds(30.0, "Seconds from SIGTERM to the end, come what may.")

    def __post_init__(self) -> None:
        for limit in fields(self):
            value, least, most = getattr(self, limit.name), *_range(limit.metadata)
            if not least <= value <= most:  # which NaN is not either
                raise InvalidArgumentError(f"{limit.name} is {value}: give {least:g} to {most:g}.")


def _range(metadata: Any) -> tuple[float, float]:
    return metadata["least"], metadata["most"]
