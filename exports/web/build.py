"""Write the folder of a page."""

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
    """Write a page to `folder`. An older one is replaced, once the new one is whole.

    Args:
        kind: of the page, with the model.
        folder: to write.
        runtime: a directory that has the files of `RUNTIME`.

    Raises:
        ExportError: if `folder` cannot be written, or is there already and holds anything else
            than a page as it was built.
    """
    with artifact.draft(folder, replaceable=_reject_all_but_pages) as draft:
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


def _reject_all_but_pages(folder: Path) -> None:
    """Accept a page that was built before, each file as it was written, and nothing beside them."""
    try:
        if folder.is_symlink():
            raise ExportError("It is a link.")
        if foreign := [each.name for each in sorted(folder.iterdir()) if not _is_file(each)]:
            raise ExportError(f"{foreign[0]!r} in it is no file.")
        if missing := {"index.html", _FACTS, *RUNTIME} - artifact.check(folder):
            raise ExportError(f"It has no {min(missing)}.")
    except (ExportError, OSError) as error:
        raise ExportError(
            f"{folder} is there, and no page of ours as it was built: name another folder, or "
            f"remove it. {error}"
        ) from error


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
