"""Matplotlib's figures as pictures: on a page, and in files for papers."""

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from pipeline.files import replacing
from pipeline.pages import page

# The background is the page's own. Each of these is three times as bright as a dark page, and a
# white one three times as bright as it, so that lines are seen on both.
INK = "#767676"
COLOURS = ("#3a86d8", "#d9622b", "#2a9d6f", "#a865c9", "#d6476b", "#8a8d1f", "#1f9aa8", "#a9744f")
PANEL = 3.6  # inches; a phone is as wide

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "font.size": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.dpi": 200,
    "svg.hashsalt": "keras-recurrent",  # the same figures give the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
_NAMESPACE = re.compile(r"\{[^}]*\}")
_FONT = re.compile(r"font-family:[^;\"]*;? ?")
_REFERENCE = re.compile(r"(?:(?<=url\()|(?<=href=\")|^)#([\w-]+)")


@contextmanager
def style() -> Iterator[None]:
    """Draw in this context, so that what is drawn is seen on light and on dark ground."""
    with matplotlib.rc_context(_STYLE):
        yield


def save(figure: Figure, path: Path) -> None:
    """Write `path` with the suffixes `.svg` and `.png`, without a background.

    Raises:
        PipelineError: the files cannot be written.
    """
    with style():
        for suffix, metadata in ((".svg", {"Date": None}), (".png", None)):
            with replacing(path.with_suffix(suffix)) as partial:
                figure.savefig(partial, metadata=metadata, transparent=True)


def picture(figure: Figure, title: str, description: str) -> Markup:
    """Put `figure` on a page; it scrolls if it is wider than a phone.

    What is drawn in `INK` takes the colour of the page's text.

    Args:
        figure: drawn in `style`, without a title of its own.
        title: stands above it.
        description: says in words what it shows, for those who do not see it.
    """
    file = io.StringIO()
    with style(), matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg", transparent=True)
    svg = _inline(ElementTree.fromstring(file.getvalue()), description)
    width, height = figure.get_size_inches()
    svg.set("width", f"{96 * width:.0f}")
    svg.set("height", f"{96 * height:.0f}")
    text = _FONT.sub("", ElementTree.tostring(svg, encoding="unicode"))
    return page.block("picture", title, Markup(text.replace(INK, "currentColor")), width > PANEL)


def _inline(svg: ElementTree.Element, description: str) -> ElementTree.Element:
    """Make of an SVG file what may stand in HTML, beside others that name their parts alike."""
    written = ElementTree.tostring(svg, encoding="unicode")
    prefix = hashlib.sha1(written.encode(), usedforsecurity=False).hexdigest()[:8]
    used = set(_REFERENCE.findall(written))
    for parent in list(svg.iter()):
        for child in list(parent):
            if _NAMESPACE.sub("", child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in svg.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
        attributes = {_NAMESPACE.sub("", name): value for name, value in element.items()}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        element.attrib.clear()
        for name, value in attributes.items():
            own = value if name == "id" else ""
            element.set(name, f"{prefix}-{own}" if own else _REFERENCE.sub(rf"#{prefix}-\1", value))
    svg.set("role", "img")
    svg.set("aria-label", description)
    return svg
