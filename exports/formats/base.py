"""What a format is: files of endpoints that others can run."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from exports.errors import DamagedFileError, InvalidArgumentError
from exports.schema import Config
from exports.signature import Run, Signature

if TYPE_CHECKING:
    from exports.endpoints.base import Endpoint

FULL = "float32"  # the precision that all formats have


class Format(ABC):
    """Files that endpoints are written to. A module in `exports.formats` holds one as `format`.

    Loading a file needs the runtime of the format alone; what writing needs is imported there.

    Attributes:
        name: what users call it.
        precisions: beside float32, the model can be written in these.
    """

    name: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ()

    def declines(self, endpoint: "Endpoint") -> str | None:
        """Say why an endpoint has no form in this format; None if it has one, as here."""
        return None

    @abstractmethod
    def path(self, endpoint: str, precision: str = FULL) -> str:
        """Return the file or directory of an endpoint, inside of an artifact."""

    @abstractmethod
    def write(
        self, endpoints: Sequence["Endpoint"], directory: Path, properties: Mapping[str, str]
    ) -> None:
        """Write endpoints to an artifact, with metadata where the format has a place for it.

        Raises:
            ExportError: if a layer has no form in this format.
            OSError: if the files cannot be written.
        """

    def write_precision(self, endpoint: "Endpoint", directory: Path, precision: str) -> None:
        """Write `endpoint`, which is there in float32, in another one of `precisions`.

        Raises:
            InvalidArgumentError: if the format has no such files, as here.
        """
        raise InvalidArgumentError(f"{self.name} has no files in {precision}.")

    def finish(self, endpoints: Sequence["Endpoint"], directory: Path) -> None:  # noqa: B027
        """Write what is made of the files of all precisions: here, nothing."""

    @abstractmethod
    def read(
        self,
        directory: Path,
        endpoint: str,
        signature: Signature,
        *,
        precision: str = FULL,
        threads: int | None = None,
    ) -> Run:
        """Load an endpoint of an artifact as a function of named arrays.

        Args:
            directory: of the artifact.
            endpoint: its name.
            signature: that the file must have.
            precision: of its weights.
            threads: that a call may use; None: as many as the runtime likes.

        Raises:
            ExportError: if the file is missing or damaged, has other inputs or outputs, or fails on
                some inputs.
        """

    def sensitivity(self, directory: Path) -> Run | None:
        """Return how far the model's outputs move by a rounding, if the format can tell."""
        return None

    def float32_weights(self, directory: Path, precision: str) -> dict[str, int] | None:
        """Count the bytes of float32 weights in a file, by the operators that read them.

        None, as here: it is not known.
        """
        return None

    def described(self, directory: Path) -> dict[str, Any]:
        """Return what `report.json` says of the files, beside their sizes: here, nothing."""
        return {}

    def usage(self, config: Config) -> Iterator[str]:
        """Give the lines of the model card that show how the files are used."""
        yield from ()

    def require(self, directory: Path, endpoint: str, precision: str) -> Path:
        """Return where an endpoint is.

        Raises:
            ExportError: if it is not there.
        """
        path = directory / self.path(endpoint, precision)
        if not path.exists():
            raise DamagedFileError(
                f'{path} is missing: export with "{self.name}" among the formats, and with '
                f"what the endpoint {endpoint!r} needs."
            )
        return path
