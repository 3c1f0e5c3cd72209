"""What scrolls sideways can be scrolled without a mouse."""

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the keyboard to what Sphinx has written."""
    app.connect("html-page-context", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _process(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    body = context.get("body", "")
    for scrolling in ("<pre", '<div class="table-wrapper'):
        tag = scrolling.split()[0]
        body = body.replace(scrolling, f'{tag} tabindex="0"{scrolling.removeprefix(tag)}')
    context["body"] = body
