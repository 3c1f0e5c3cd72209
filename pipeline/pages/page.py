"""A page: one HTML file that holds all it shows. What comes from data is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_ENVIRONMENT = Environment(
    loader=PackageLoader("pipeline.pages", ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Token(NamedTuple):
    """A piece of a text, coloured.

    Attributes:
        before: what stands between it and the piece before it.
        text: the piece.
        share: how strongly it is coloured, from 0 to 1, in another colour if below 0; or None.
        said: what the colour says, in words.
    """

    before: str
    text: str
    share: float | None
    said: str


@dataclass(frozen=True)
class Section:
    """A part of a page, with a heading.

    Attributes:
        blocks: what stands in it, as this module and `figures` make it.
    """

    title: str
    blocks: Sequence[Markup]


def render(title: str, introduction: str, sections: Sequence[Section]) -> str:
    """Write the page."""
    style = Markup(files("pipeline.pages").joinpath("page.css").read_text("utf-8"))
    template = _ENVIRONMENT.get_template("page.html")
    return template.render(title=title, introduction=introduction, sections=sections, style=style)


def paragraph(text: str) -> Markup:
    """Make a paragraph. Markup within it stays."""
    return block("paragraph", text)


def code(text: str) -> Markup:
    """Show `text` as it is, to be copied."""
    return block("code", text)


def terms(pairs: Mapping[str, Any]) -> Markup:
    """List names and what each is."""
    return block("terms", pairs)


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Markup:
    """Lay out a table whose first column names the rows."""
    return block("table", caption, columns, rows)


def confusion(caption: str, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    """Lay out how often each label, a row, was taken for each."""
    return block("confusion", caption, labels, counts)


def image(png: str, text: str) -> Markup:
    """Show a PNG file in base64; `text` stands for it."""
    return block("image", png, text)


def folded(summary: str, content: Markup) -> Markup:
    """Hide `content` behind its summary until the reader asks for it."""
    return block("folded", summary, content)


def heading(text: str) -> Markup:
    """Head a part of a section."""
    return block("heading", text)


def tokens(caption: str, pieces: Sequence[Token]) -> Markup:
    """Write a text whose pieces are coloured; what the colours say must stand elsewhere, too."""
    return block("tokens", caption, pieces)


def block(name: str, *arguments: Any) -> Markup:
    """Fill in a macro of `blocks.html`."""
    macro = getattr(_ENVIRONMENT.get_template("blocks.html").module, name)
    return Markup(macro(*arguments))
