"""ONNX: a file for each endpoint, for ONNX Runtime and Triton."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exports import artifact
from exports.formats.base import FULL, Format
from exports.formats.onnx import session
from exports.schema import MODEL, TEXT, Config
from exports.signature import Run, Signature

if TYPE_CHECKING:
    import onnx

    from exports.endpoints.base import Endpoint


class Onnx(Format):
    """The files `onnx/ENDPOINT.onnx`, and a Triton model repository of them."""

    name = "onnx"
    precisions = ("float16", "int8")

    def path(self, endpoint: str, precision: str = FULL) -> str:
        """Return the file of an endpoint."""
        return f"onnx/{endpoint}.onnx" if precision == FULL else f"onnx/{endpoint}.{precision}.onnx"

    def write(
        self, endpoints: Sequence["Endpoint"], directory: Path, properties: Mapping[str, str]
    ) -> None:
        """Write a file for each endpoint.

        Raises:
            ExportError: if a layer has no ONNX form.
            OSError: if the files cannot be written.
        """
        from exports.formats.onnx import conversion, text

        (directory / "onnx").mkdir()
        graphs: dict[str, onnx.ModelProto] = {}
        for endpoint in endpoints:
            if endpoint.encoder is None:
                graph = conversion.convert(
                    endpoint.model,
                    endpoint.signature,
                    {**properties, **endpoint.properties()},
                    endpoint.function(),
                )
            else:  # what takes ids is converted already
                graph = text.with_text(graphs[endpoint.after_encoder], endpoint.encoder)
            graphs[endpoint.name] = graph
            (directory / self.path(endpoint.name)).write_bytes(graph.SerializeToString())

    def write_precision(self, endpoint: "Endpoint", directory: Path, precision: str) -> None:
        """Write the file of an endpoint with smaller weights."""
        import onnx

        from exports.formats.onnx.precision import PRECISIONS

        smaller = PRECISIONS[precision](onnx.load(directory / self.path(endpoint.name)))
        path = directory / self.path(endpoint.name, precision)
        path.write_bytes(smaller.SerializeToString())

    def finish(self, endpoints: Sequence["Endpoint"], directory: Path) -> None:
        """Write the model repository."""
        from exports.formats.onnx import triton

        triton.write(directory, [state for endpoint in endpoints for state in endpoint.states])

    def read(
        self,
        directory: Path,
        endpoint: str,
        signature: Signature,
        *,
        precision: str = FULL,
        threads: int | None = None,
    ) -> Run:
        """Load the file of an endpoint in ONNX Runtime."""
        return session.read(self.require(directory, endpoint, precision), threads, signature)

    def sensitivity(self, directory: Path) -> Run:
        """Return how far the model's outputs move with its weights and inputs by a rounding."""
        from exports.formats.onnx import conversion

        return conversion.sensitivity(directory / self.path(MODEL))

    def float32_weights(self, directory: Path, precision: str) -> dict[str, int]:
        """Count the bytes of float32 weights, by the operators that read them."""
        import onnx

        from exports.formats.onnx.precision import in_float32

        return in_float32(onnx.load(directory / self.path(MODEL, precision)))

    def described(self, directory: Path) -> dict[str, Any]:
        """Return the opset, the operators, and what each recurrent layer became."""
        import onnx

        from exports.formats.onnx import conversion

        graph = onnx.load(directory / self.path(MODEL))
        return {
            "opset": graph.opset_import[0].version,
            "operators": conversion.operators(graph),
            "recurrent_layers": conversion.recurrent_layers(graph),
        }

    def usage(self, config: Config) -> Iterator[str]:
        """Show how the files are used in Python, Node and browsers, and by Triton."""
        model = self.path(MODEL)
        fed = ", ".join(f'"{array.name}": {array.name}' for array in config.inputs)
        yield from ("", "```python", "import onnxruntime")
        yield f'session = onnxruntime.InferenceSession("{model}")'
        yield f"outputs = session.run(None, {{{fed}}})"
        yield from (
            "```",
            "",
            "In Node, with the package `onnxruntime-node`, in a file `.mjs`:",
            "",
        )
        yield from ("```js", 'import { readFile } from "node:fs/promises";')
        yield 'import ort from "onnxruntime-node";'
        yield "const read = async (name) => JSON.parse(await readFile(name));"
        yield from self._javascript(config)
        yield from ("```", "")
        yield "In a browser, with the package `onnxruntime-web` and these files beside the page:"
        yield from ("", "```js", 'import * as ort from "onnxruntime-web";')
        yield "const read = async (name) => (await fetch(name)).json();"
        yield from self._javascript(config)
        yield "```"
        if config.text is not None:
            yield from ("", "```python", "import onnxruntime")
            yield f'session = onnxruntime.InferenceSession("{self.path(TEXT)}")'
            yield from ('outputs = session.run(None, {"text": ["a text"]})', "```")
        yield from ("", "`triton/` is a model repository for Triton Inference Server.")

    def _javascript(self, config: Config) -> Iterator[str]:
        """Run the recorded examples in JavaScript, where `ort` and `read` are known."""
        tensors = ", ".join(
            f'{array.name}: tensor("{array.dtype}", request.{array.name})'
            for array in config.inputs
        )
        yield f'const request = await read("{artifact.REQUEST}");'
        yield (
            "const shape = (rows) => (Array.isArray(rows) ? [rows.length, ...shape(rows[0])] : []);"
        )
        yield (
            "const tensor = (type, rows) => new ort.Tensor(type, rows.flat(Infinity), shape(rows));"
        )
        yield f'const session = await ort.InferenceSession.create("{self.path(MODEL)}");'
        yield f"const inputs = {{ {tensors} }};"
        yield "const outputs = await session.run(inputs);"
        if config.answer is None:
            yield f"console.log(outputs[{json.dumps(config.outputs[0].name)}].data);"
            return
        labels = f'await read("{artifact.LABELS}")' if config.answer.has_labels else "[]"
        yield f'const {{ answers }} = await import("./{artifact.ANSWERS}");'
        yield f'console.log(answers(await read("{artifact.CONFIG}"), {labels}, outputs, inputs));'


format = Onnx()
