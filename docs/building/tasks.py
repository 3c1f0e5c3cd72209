"""The directive `tasks`: what the pipeline can learn, as the tasks themselves tell it."""

import inspect
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pipeline import recipes


class Tasks(SphinxDirective):
    """A section for each task."""

    def run(self) -> list[nodes.Node]:
        """Write the sections as the page's own Markdown."""
        text = "\n".join(line for name in recipes.names() for line in _section(name))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _section(name: str) -> Iterator[str]:
    recipe = recipes.get(name)
    yield f"## {name}\n\n{recipe.summary[0].upper()}{recipe.summary[1:]}.\n"
    for preset, make in recipe.presets.items():
        yield f"### `--preset {preset}`\n\n{inspect.getdoc(make)}\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive to Sphinx."""
    app.add_directive("tasks", Tasks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
