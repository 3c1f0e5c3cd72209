"""LiteRT, once TensorFlow Lite: a file for each endpoint, of builtin operators alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exports import schema
from exports.formats.base import FULL, Format
from exports.formats.litert import session
from exports.signature import Run, Signature

if TYPE_CHECKING:
    from exports.endpoints.base import Endpoint


class LiteRT(Format):
    """The files `litert/ENDPOINT.tflite`."""

    name = "litert"
    precisions = ("float16", "int8")

    def declines(self, endpoint: "Endpoint") -> str | None:
        """Decline endpoints of text: no operator of LiteRT splits strings."""
        return None if endpoint.encoder is None else "no builtin operator splits strings"

    def path(self, endpoint: str, precision: str = FULL) -> str:
        """Return the file of an endpoint."""
        form = "" if precision == FULL else f".{precision}"
        return f"litert/{endpoint}{form}.tflite"

    def write(
        self, endpoints: Sequence["Endpoint"], directory: Path, properties: Mapping[str, str]
    ) -> None:
        """Write a file for each endpoint.

        Raises:
            ExportError: if a layer has no form in builtin operators.
            OSError: if the files cannot be written.
        """
        (directory / "litert").mkdir()
        for endpoint in endpoints:
            self.write_precision(endpoint, directory, FULL)

    def write_precision(self, endpoint: "Endpoint", directory: Path, precision: str) -> None:
        """Write the file of an endpoint with weights of `precision`."""
        from exports.formats.litert import conversion

        content = conversion.convert(
            endpoint.model, endpoint.signature, endpoint.function(), precision
        )
        (directory / self.path(endpoint.name, precision)).write_bytes(content)

    def read(
        self,
        directory: Path,
        endpoint: str,
        signature: Signature,
        *,
        precision: str = FULL,
        threads: int | None = None,
    ) -> Run:
        """Load the file of an endpoint in the LiteRT interpreter."""
        return session.read(self.require(directory, endpoint, precision), threads, signature)

    def described(self, directory: Path) -> dict[str, Any]:
        """Return the operators."""
        from exports.formats.litert import conversion

        content = (directory / self.path(schema.MODEL)).read_bytes()
        return {"litert_operators": conversion.operators(content)}

    def usage(self, config: schema.Config) -> Iterator[str]:
        """Show how the file is used in Python; phones have the same interpreter."""
        fed = ", ".join(f"{array.name}={array.name}" for array in config.inputs)
        yield from ("", "```python", "from ai_edge_litert.interpreter import Interpreter")
        yield f'interpreter = Interpreter("{self.path(schema.MODEL)}")'
        yield "run = interpreter.get_signature_runner()"
        yield from (f"outputs = run({fed})", "```")


format = LiteRT()
