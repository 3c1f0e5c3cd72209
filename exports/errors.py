"""What an exporter can say to its user."""


class ExportError(Exception):
    """A model or a directory that cannot be used, with what is wrong and what to do about it."""
