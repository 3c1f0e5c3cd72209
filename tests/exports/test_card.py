"""The model card shows names as they are, whatever Markdown or HTML they would be."""

import json
import shutil
from pathlib import Path
from typing import Any

import html5lib
import pytest
from markdown_it import MarkdownIt

from exports import Artifact, formats
from exports.card import report

NAMES = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- ",
    "&lt;b&gt;",
    "a | b",
    "| a |\n|---|\n| b |",
    "two\nlines\r\n\r\n# and a heading",
    "- item",
    "1. item",
    "`code` ``more`` ```",
    "**bold** _slanted_ __both__ ~~gone~~",
    "[link](javascript:alert(1)) ![image](x.png) [^1]",
    "<https://evil.example> https://evil.example",
    "back\\slash \\<b>",
    "$x$ :smile: @somebody #1",
    "    indented",
    "snake_case",
    "\x1b[31mred",
    "",
]


def shown(card: str) -> Any:
    """What a browser makes of a card, by another reader of Markdown."""
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(card)
    return html5lib.parse(html, namespaceHTMLElements=False)


def text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_as_they_are(name: str, exported: Artifact, tmp_path: Path) -> None:
    """Of labels, of the model, and of what the card says beside what is measured."""
    directory = Path(shutil.copytree(exported.directory, tmp_path / "copy"))
    found = json.loads((directory / "report.json").read_text())
    measured = {key: found[key] for key in ("precision", "latency")}
    measured["latency"]["processor"] = name
    (directory / "labels.json").write_text(json.dumps([name, "last"]))
    copy = Artifact(directory, exported.config)
    writers = [formats.get(each) for each in exported.formats]
    report.write(copy, name, writers, exported.proofs, {name: name}, measured)
    page = shown((directory / "README.md").read_text())
    plain = " ".join(name.split()).replace("\x1b", r"\x1b")
    assert text(page.find(".//h1")) == plain
    facts = [text(item) for item in page.find(".//ul").findall("li")]
    assert facts == [f"{plain}: {plain}".strip(), f"labels, in order: {plain}, last"]
    assert " ".join(f"p50 / p99, on {plain}; a row".split()) in text(page.find("body"))
    known = {"html", "head", "body", "h1", "h2", "p", "ul", "li", "code", "pre", "table"}
    known |= {"thead", "tbody", "tr", "th", "td"}
    assert {element.tag for element in page.iter() if isinstance(element.tag, str)} <= known
    before = shown((exported.directory / "README.md").read_text())
    assert len(page.findall(".//table")) == len(before.findall(".//table"))
