"""Matplotlib's figures as pictures: on a page, and in files for papers."""

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from pipeline.files import replacing
from pipeline.pages.page import blocks

# The background is the page's own. Each of these is three times as bright as a dark page, and a
# white one three times as bright as it, so that lines are seen on both.
INK = "#767676"
COLOURS = ("#3a86d8", "#d9622b", "#2a9d6f", "#a865c9", "#d6476b", "#8a8d1f", "#1f9aa8", "#a9744f")
PANEL = 3.6  # inches; a phone is as wide

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "font.size": 9,
    "hatch.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.dpi": 200,
    "svg.hashsalt": "keras-recurrent",  # the same figures give the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
_OF_THE_FILE = re.compile(r"<(metadata|style)\b.*?</\1>", re.DOTALL)
_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(url\(#|href="#)([^")]*)')


@contextmanager
def style() -> Iterator[None]:
    """Draw in this context, so that what is drawn is seen on light and on dark ground."""
    with matplotlib.rc_context(_STYLE):
        yield


def single(draw: Callable[[Any], None]) -> Figure:
    """Make a figure of one panel, on whose axes `draw` draws."""
    with style():
        figure = Figure(figsize=(PANEL, 0.75 * PANEL), layout="constrained")
        draw(figure.subplots())
    return figure


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
    text = matplotlib.rc_context({"svg.fonttype": "none"})
    with style(), text, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's has it
        figure.savefig(file, format="svg", transparent=True)
    width, height = figure.get_size_inches()
    drawn = Markup(_inline(file.getvalue(), description))
    return blocks.picture(title, description, drawn, float(width), float(height), PANEL)


def _inline(svg: str, description: str) -> str:
    """Return what is in an SVG file, for a page that has others whose parts are named alike."""
    _, _, content = svg.partition("<svg")[2].removesuffix("</svg>\n").partition(">")
    content = _OF_THE_FILE.sub("", content).replace("xlink:href", "href")
    content = _FONT.sub("", content).replace(INK, "currentColor")
    used = {name for _, name in _REFERENCE.findall(content)}
    prefix = hashlib.sha1(f"{description}{svg}".encode(), usedforsecurity=False).hexdigest()[:8]

    def named(found: re.Match[str]) -> str:
        return f' id="{prefix}-{found[1]}"' if found[1] in used else ""

    return _REFERENCE.sub(rf"\g<1>{prefix}-\g<2>", _ID.sub(named, content))
