"""From sound to a model's input, as an ONNX file of its own."""

from pathlib import Path
from typing import Any

from exports import onnx_graph
from exports.signature import Array, AudioFrontend, Signature


def write(audio_frontend: AudioFrontend, path: Path) -> None:
    """Write an ONNX file that turns `samples` into what is `heard`.

    Raises:
        ExportError: if something in it has no ONNX form.
    """
    front = audio_frontend.front
    shape = (None, *front.outputs[0].shape[1:])
    axes = ("batch", "frames", *(f"axis_{axis}" for axis in range(2, len(shape))))
    signature = Signature(
        (Array("samples", (None, None), "float32"),), (Array("heard", shape, "float32", axes),)
    )

    def hear(samples: Any) -> dict[str, Any]:
        return {"heard": front(samples)}

    path.write_bytes(onnx_graph.convert(front, signature, call=hear).SerializeToString())
