"""The kinds of data that can be read, one module each: a module with a `source` in it is one."""

import importlib
import pkgutil
from collections.abc import Iterator

from pipeline.data.sources.base import Source
from pipeline.data.table import OnError, Table
from pipeline.errors import PipelineError


def known() -> Iterator[Source]:
    """Give every source."""
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if module != "base":
            yield importlib.import_module(f"{__name__}.{module}").source


def read(data: str, on_error: OnError = "stop") -> Table:
    """Read the data called `data`: a file, a pattern of files, a folder, or `tfds:NAME`.

    Raises:
        PipelineError: nothing reads it, it is not there, it is damaged, or it has no row.
    """
    for source in known():
        if source.reads(data):
            table = source.read(data, on_error)
            if not len(table):
                raise PipelineError(f"{data} has no rows. {source.wants}")
            return table
    kinds = "; ".join(source.accepts for source in known())
    raise PipelineError(f"{data} is not data that can be read. Give {kinds}.")
