"""Sphinx writes equations as MathML, which browsers show without a script."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

from docs.building import equations


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the renderer to Sphinx, and give it the equations of docstrings."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    # Before napoleon, which looks for sections.
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    # Whoever has no mouse scrolls a wide equation too.
    translator.body.append('<div class="math" tabindex="0" role="group" aria-label="Equations">')
    translator.body.append(convert(node.astext(), display="block"))
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def _process(
    app: Sphinx, what: str, name: str, each: object, options: object, lines: list[str]
) -> None:
    lines[:] = equations.restructured("\n".join([*lines, ""])).splitlines()
