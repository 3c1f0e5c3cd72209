"""Web pages of exported models: which one a model gets, and how it is built and served."""

from pipeline.web.kinds import page_of
from pipeline.web.site import RUNTIME, build, server

__all__ = ["RUNTIME", "build", "page_of", "server"]
