"""The command, as tests of the pipeline have it."""

from tests.pipeline.conftest import recurrent

__all__ = ["recurrent"]
