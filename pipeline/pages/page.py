"""A page: one HTML file that holds all it shows. What comes from data is escaped."""

from collections.abc import Sequence
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
# What stands in a section: `blocks.table(caption, columns, rows)` and the other macros there.
blocks: Any = _ENVIRONMENT.get_template("blocks.html").module


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
        content: what stands in it, as `blocks` and `figures` make it.
    """

    title: str
    content: Sequence[Markup]


def render(title: str, introduction: str, sections: Sequence[Section]) -> str:
    """Write the page."""
    style = Markup(files("pipeline.pages").joinpath("page.css").read_text("utf-8"))
    template = _ENVIRONMENT.get_template("page.html")
    return template.render(title=title, introduction=introduction, sections=sections, style=style)
