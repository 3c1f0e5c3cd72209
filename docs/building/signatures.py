"""The signatures of layers, which `keras.layers.Layer` hides behind a `__new__` of its own."""

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature


def setup(app: Sphinx) -> dict[str, Any]:
    """Correct what Sphinx finds."""
    app.connect("autodoc-process-signature", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _process(
    app: Sphinx, what: str, name: str, each: Any, options: object, found: str, returned: str
) -> tuple[str, str] | None:
    if found != "(*args, **kwargs)" or what != "class":
        return None
    _, *rest = inspect.signature(each.__init__).parameters.values()
    return stringify_signature(inspect.Signature(rest), show_annotation=False), returned
