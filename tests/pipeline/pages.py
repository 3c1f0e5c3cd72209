"""What stands on a page, read as a browser does; what is no HTML5 is an error."""

from pathlib import Path
from typing import Any

import html5lib


def parsed(path: Path) -> Any:
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(path.read_text(encoding="utf-8"))


def text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def element(page: Any, caption: str) -> Any:
    """The one table with that in its caption."""
    (found,) = (each for each in page.iter("table") if caption in text(each.find("caption")))
    return found


def table(page: Any, caption: str) -> list[list[str]]:
    """The rows below the head of the table with that in its caption."""
    return [[text(cell) for cell in row] for row in element(page, caption).find("tbody")]


def marked(element: Any) -> list[tuple[str, str]]:
    """What is marked in a passage, and what the note behind it says."""
    return [((mark.text or "").strip(), text(mark.find("small"))) for mark in element.iter("mark")]


def descriptions(page: Any) -> list[str]:
    """What the pictures drawn on a page say they show."""
    return [each.get("aria-label") for each in page.iter("{http://www.w3.org/2000/svg}svg")]
