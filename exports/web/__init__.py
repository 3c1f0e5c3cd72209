"""A page that runs an exported model in the browser: a folder that any static server can serve.

    index.html  style.css  shared.mjs  KIND.mjs  page.json  *.onnx  ort.wasm.bundle.min.mjs  *.wasm

What is shown follows from what the artifact holds: see `kinds`. The numbers come from its ONNX
files, in ONNX Runtime's WebAssembly; nothing is asked of a server but these files.
"""

from exports.web.build import RUNTIME, Weight, build
from exports.web.kinds import Kind, kind_of

__all__ = ["RUNTIME", "Kind", "Weight", "build", "kind_of"]
