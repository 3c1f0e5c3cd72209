"""From an exported model to a page that runs its model in the browser."""

import functools
import tarfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from exports import artifact
from exports.errors import ExportError
from exports.runtime import web
from pipeline.data import packages
from pipeline.data.packages import NodePackage
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError
from pipeline.web import kinds

# As in tests/clients/package-lock.json.
RUNTIME = NodePackage(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)


def build(directory: Path, folder: Path) -> web.Weight:
    """Write a page that runs the exported model in an artifact directory.

    ONNX Runtime for the browser is kept in the cache, and fetched by npm once.

    Raises:
        PipelineError: the model is damaged, there is no page for it, or no ONNX Runtime.
    """
    try:
        page = kinds.page_of(artifact.load(directory))
        archive = packages.fetch(RUNTIME)
        with spinner("Building the page"), TemporaryDirectory() as runtime:
            _unpack(archive, Path(runtime))
            return web.build(page, folder, Path(runtime))
    except ExportError as error:
        raise PipelineError(str(error)) from error


def server(folder: Path) -> ThreadingHTTPServer:
    """Return what serves `folder` to this machine, on a port that is free."""
    handler = functools.partial(_Quiet, directory=folder)
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Do not print every request."""


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as package:
        for name in web.RUNTIME:
            member = package.extractfile(f"package/dist/{name}")
            assert member is not None  # the archive is the pinned one
            (folder / name).write_bytes(member.read())
