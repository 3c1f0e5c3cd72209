"""Write the folder of a page."""

import os
import shutil
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from exports import artifact
from exports.errors import ExportError
from exports.web.kinds import Kind

# What a page needs of the `dist` of the npm package onnxruntime-web.
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")

_FACTS = "page.json"
_STATIC = Path(__file__).parent / "static"


class Weight(NamedTuple):
    """Bytes of a folder: of the page itself, of the model and of ONNX Runtime."""

    page: int
    model: int
    runtime: int


def build(kind: Kind, folder: Path, runtime: Path) -> Weight:
    """Write a page to `folder`; an older one there is replaced.

    Args:
        kind: of the page, with the model.
        folder: to write.
        runtime: a directory that has the files of `RUNTIME`.

    Raises:
        ExportError: if `folder` cannot be written, or is there already and holds something else.
    """
    _remove_page(folder)
    with artifact.draft(folder) as draft:
        page = {
            "index.html": _html(kind),
            _FACTS: kind.facts_json(),
            **{name: (_STATIC / name).read_text(encoding="utf-8") for name in kind.static},
        }
        for name, text in page.items():
            (draft / name).write_text(text, encoding="utf-8", newline="\n")
        for name, graph in kind.graphs.items():
            (draft / name).write_bytes(graph.SerializeToString())
        for name in RUNTIME:
            shutil.copyfile(runtime / name, draft / name)
    groups = (page, kind.graphs, RUNTIME)
    return Weight(*(sum(artifact.size(folder / name) for name in names) for names in groups))


def _html(kind: Kind) -> str:
    """Put the body of a kind of page into what all pages have in common."""
    shell, body = (
        Template((_STATIC / f"{name}.html").read_text(encoding="utf-8"))
        for name in ("page", kind.name)
    )
    return shell.substitute(title=escape(kind.title), kind=kind.name, body=body.template)


def _remove_page(folder: Path) -> None:
    """Remove a page that was built before."""
    if not os.path.lexists(folder):
        return
    if not (folder / _FACTS).is_file():
        raise ExportError(f"{folder} is there, and holds no page of ours: name another folder.")
    shutil.rmtree(folder)
