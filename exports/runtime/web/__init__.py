"""A page that runs an exported model in the browser: a folder that any static server can serve.

    index.html  style.css  shared.mjs  NAME.mjs  page.json  *.onnx  ort.wasm.bundle.min.mjs  *.wasm

The numbers come from ONNX files, in ONNX Runtime's WebAssembly; nothing is asked of a server but
these files. Which pages there are is not known here: `pipeline.web` has some.
"""

from exports.runtime.web.build import RUNTIME, Page, Weight, build

__all__ = ["RUNTIME", "Page", "Weight", "build"]
