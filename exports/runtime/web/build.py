"""Write the folder of a page."""

import json
import shutil
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import onnx

from exports import artifact
from exports.answers import SCRIPT
from exports.errors import ExportError, WriteError

# What a page needs of the `dist` of the npm package onnxruntime-web.
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")

_FACTS = "page.json"
_STATIC = Path(__file__).parent / "static"


class Page(NamedTuple):
    """What is in a page.

    Attributes:
        folder: of the files `NAME.html`, its body, and `NAME.mjs`, its module.
        name: of these files.
        title: what the model does.
        graphs: ONNX files, by name.
        facts: what the module must know, beside what the ONNX files say.
        shared: modules that it imports: names in `folder`, or paths.
    """

    folder: Path
    name: str
    title: str
    graphs: Mapping[str, onnx.ModelProto]
    facts: Mapping[str, Any]
    shared: tuple[str | Path, ...] = ()

    def texts(self) -> dict[str, str]:
        """Return the text files of the page, by name."""
        static = [SCRIPT, *(_STATIC / name for name in ("style.css", "shared.mjs"))]
        static += [self.folder / name for name in (*self.shared, f"{self.name}.mjs")]
        shell = Template((_STATIC / "page.html").read_text(encoding="utf-8"))
        body = (self.folder / f"{self.name}.html").read_text(encoding="utf-8")
        return {
            "index.html": shell.substitute(title=escape(self.title), kind=self.name, body=body),
            _FACTS: json.dumps(self.facts, ensure_ascii=False, indent=2) + "\n",
            **{path.name: path.read_text(encoding="utf-8") for path in static},
        }


class Weight(NamedTuple):
    """Bytes of a folder: of the page itself, of the model and of ONNX Runtime."""

    page: int
    model: int
    runtime: int


def build(page: Page, folder: Path, runtime: Path) -> Weight:
    """Write a page to `folder`. An older one is replaced, once the new one is whole.

    Args:
        page: what to write.
        folder: to write.
        runtime: a directory that has the files of `RUNTIME`.

    Raises:
        ExportError: if `folder` cannot be written, or is there already and holds anything else
            than a page as it was built.
    """
    with artifact.draft(folder, replaceable=_reject_all_but_pages) as draft:
        texts = page.texts()
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8", newline="\n")
        for name, graph in page.graphs.items():
            (draft / name).write_bytes(graph.SerializeToString())
        for name in RUNTIME:
            shutil.copyfile(runtime / name, draft / name)
    groups = (texts, page.graphs, RUNTIME)
    return Weight(*(sum(artifact.size(folder / name) for name in names) for names in groups))


def _reject_all_but_pages(folder: Path) -> None:
    """Accept a page that was built before, each file as it was written, and nothing beside them."""
    try:
        if folder.is_symlink():
            raise WriteError("It is a link.")
        if foreign := [each.name for each in sorted(folder.iterdir()) if not _is_file(each)]:
            raise WriteError(f"{foreign[0]!r} in it is no file.")
        if missing := {"index.html", _FACTS, *RUNTIME} - artifact.check(folder):
            raise WriteError(f"It has no {min(missing)}.")
    except (ExportError, OSError) as error:
        raise WriteError(
            f"{folder} is there, and no page of ours as it was built: name another folder, or "
            f"remove it. {error}"
        ) from error


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
