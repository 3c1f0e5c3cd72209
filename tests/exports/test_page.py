"""A page is whole; it takes the place of an older page, and of nothing else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import onnx
import pytest

from exports import Artifact, ExportError
from exports.runtime import web
from exports.runtime.web import Page
from pipeline.web import kinds

KIND = Page(
    Path(kinds.__file__).parent / "static", "text", "an example", {}, {"labels": ["bad", "good"]}
)


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in web.RUNTIME:
        (folder / name).write_bytes(bytes(50_000))
    return folder


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_a_page_has_the_model_and_what_it_links_to(tmp_path: Path, runtime: Path) -> None:
    graph = onnx.helper.make_model(onnx.helper.make_graph([], "graph", [], []))
    web.build(KIND._replace(title="<b>", graphs={"model.onnx": graph}), tmp_path / "page", runtime)
    html = (tmp_path / "page" / "index.html").read_text()
    linked = re.findall(r'(?:src|href)="([\w.-]+)"', html)
    assert "<h1>&lt;b&gt;</h1>" in html and {"text.mjs", "style.css"} <= set(linked)
    assert all((tmp_path / "page" / name).is_file() for name in linked)
    assert onnx.load(tmp_path / "page" / "model.onnx") == graph


def test_text_without_labels_has_no_page(exported: Artifact) -> None:
    unnamed = Artifact(exported.directory, exported.config)
    vars(unnamed)["labels"] = None
    assert kinds.text(exported) and not kinds.text(unnamed)


def test_an_older_page_is_replaced(tmp_path: Path, runtime: Path) -> None:
    page = tmp_path / "page"
    web.build(KIND, page, runtime)
    web.build(KIND._replace(facts={"labels": ["no", "yes"]}), page, runtime)
    assert '"yes"' in (page / "page.json").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"page", "runtime"}


def with_a_note(page: Path) -> None:
    (page / "notes.txt").write_text("mine")


def with_a_folder(page: Path) -> None:
    (page / "photos").mkdir()


def with_a_link(page: Path) -> None:
    (page / "style.css").rename(page.parent / "style.css")
    (page / "style.css").symlink_to(page.parent / "style.css")


def edited(page: Path) -> None:
    (page / "index.html").write_text("mine")


def without_its_manifest(page: Path) -> None:
    (page / "MANIFEST.sha256").unlink()


def linked(page: Path) -> None:
    page.rename(page.parent / "elsewhere")
    page.symlink_to(page.parent / "elsewhere")


def a_home(page: Path) -> None:
    """As of the issue: a home with a page.json, and nothing of ours."""
    for path in page.iterdir():
        path.unlink()
    (page / "page.json").write_text("{}")
    (page / "thesis.tex").write_text("dear")


def an_artifact(page: Path) -> None:
    """What a manifest of ours describes completely, and no page."""
    manifest = page / "MANIFEST.sha256"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if "index.html" not in line))
    (page / "index.html").unlink()


@pytest.mark.parametrize(
    "spoil",
    [
        with_a_note,
        with_a_folder,
        with_a_link,
        edited,
        without_its_manifest,
        linked,
        a_home,
        an_artifact,
    ],
)
def test_what_is_no_page_as_it_was_built_is_left_alone(
    tmp_path: Path, runtime: Path, spoil: Callable[[Path], None]
) -> None:
    page = tmp_path / "page"
    web.build(KIND, page, runtime)
    spoil(page)
    before = content(tmp_path)
    with pytest.raises(ExportError, match=r"page is there, and no page of ours as it was built"):
        web.build(KIND, page, runtime)
    assert content(tmp_path) == before


def test_what_comes_while_a_page_is_built_is_left_alone(tmp_path: Path, runtime: Path) -> None:
    page = tmp_path / "page"
    web.build(KIND, page, runtime)

    class Slow(dict[str, object]):
        def items(self) -> object:  # type: ignore[override]
            (page / "notes.txt").write_text("mine")
            return super().items()

    with pytest.raises(ExportError, match=r"no page of ours as it was built: .*notes.txt"):
        web.build(KIND._replace(graphs=cast(Any, Slow())), page, runtime)
    assert (page / "notes.txt").read_text() == "mine" and (page / "index.html").exists()


def test_a_full_disk_leaves_the_older_page(
    tmp_path: Path, runtime: Path, small_disk: Callable[[str], Path]
) -> None:
    page = small_disk("size=300k") / "page"
    web.build(KIND, page, runtime)
    before = content(page.parent)
    with pytest.raises(ExportError, match="page cannot be written: No space left on device"):
        web.build(KIND._replace(title="a" * 200_000), page, runtime)
    assert content(page.parent) == before
