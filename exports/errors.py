"""What an exporter can say to its user."""

import re

_STYLES = re.compile(r"\x1b\[[0-9;]*m")
# Lines that frame a reason in the messages of Keras and TensorFlow.
_FRAME = re.compile(
    r"Exception encountered when calling|Graph execution error|Detected at node|<stack traces"
    r"|Arguments received by|File \"|\[\[\{\{node|$"
)
_LONGEST = 1000  # characters of a message


class PrintableError(Exception):
    """An error for a user, in one line, whatever names or values of others are in it."""

    def __str__(self) -> str:
        """Return the message, without the middle of a long one."""
        message, half = super().__str__(), _LONGEST // 2
        if len(message) > _LONGEST:
            message = f"{message[:half]} ... {message[-half:]}"
        return printable(message)


class ExportError(PrintableError):
    """What the exporter refuses, with what is wrong and what to do about it."""


class InvalidArgumentError(ExportError):
    """An argument that does not fit the model, or is of another type."""


class InvalidInputError(ExportError):
    """Arrays or texts that the model does not take."""


class UnsupportedLayerError(ExportError):
    """A model, or a layer in it, that has no form in a format or cannot be fed in chunks."""


class ParityError(ExportError):
    """Formats that do not compute the same function."""


class DamagedFileError(ExportError):
    """A file or an artifact that is missing, incomplete or not what was written."""


class WriteError(ExportError):
    """A place that cannot be written to, or is taken."""


def printable(text: str) -> str:
    """Return `text` in one line, with escapes for what a terminal would obey, such as colours."""
    return "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def reason(error: BaseException | str) -> str:
    """Return the line of another library's message that says what is wrong, without styles."""
    lines = [line.strip() for line in _STYLES.sub("", str(error)).splitlines()]
    meaningful = (line for line in lines if not _FRAME.match(line))
    return next(meaningful, type(error).__name__)
