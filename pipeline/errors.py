"""The errors that the pipeline means for its user."""

from exports.errors import PrintableError


class PipelineError(PrintableError):
    """An error whose message is meant for the user; the command line prints it in one line."""


class Diverged(PipelineError):
    """Training came to a loss that is no finite number."""
