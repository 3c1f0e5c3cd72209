"""What the server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_ROWS = tuple(2**power for power in range(10))


class Metrics:
    """The counters of one server.

    Attributes:
        registry: all of them.
        batch_rows: rows of each batch.
        waiting: requests that wait for a batch.
        streams: streams that are open.
        chunks: chunks of streams that were answered.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.batch_rows = Histogram(
            "recurrent_batch_rows", "Rows of a batch.", buckets=_ROWS, registry=self.registry
        )
        self.waiting = Gauge("recurrent_waiting", "Requests that wait.", registry=self.registry)
        self.streams = Gauge("recurrent_streams", "Open streams.", registry=self.registry)
        self.chunks = Counter("recurrent_chunks", "Chunks of streams.", registry=self.registry)
        self._requests = Counter(
            "recurrent_requests", "Requests.", ["path", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "recurrent_request_seconds", "Time to an answer.", ["path"], registry=self.registry
        )

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request and its time."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)
