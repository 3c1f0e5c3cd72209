"""From an exported model to a server."""

import socket
from collections.abc import Collection
from pathlib import Path

from exports.errors import ExportError
from exports.runtime.http.limits import Limits
from exports.runtime.http.service import Service
from exports.runtime.predictor import Predictor
from pipeline.errors import PipelineError


def load(
    directory: Path,
    limits: Limits,
    *,
    origins: Collection[str] = (),
    allow_nonfinite: bool = False,
) -> Service:
    """Load the exported model in an artifact directory.

    Raises:
        PipelineError: it is damaged, or cannot be served.
    """
    try:
        predictor = Predictor(directory, threads=1, allow_nonfinite=allow_nonfinite)
        return Service(predictor, limits, origins)
    except ExportError as error:
        raise PipelineError(str(error)) from error


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that requests come to.

    Raises:
        PipelineError: somebody else has it, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise PipelineError(f"cannot listen on {host}, port {port}: {error}") from error
    # Every connection inherits it; without, an answer waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
