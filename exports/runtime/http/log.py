"""What a server says on stderr: a line for each trouble, few enough however many there are."""

import logging
import time

_LINES, _SECONDS = 10, 60.0


def to_stderr(*names: str) -> None:
    """Let the loggers of these names write to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("recurrent: %(message)s"))
    handler.addFilter(_Few())
    for name in names:
        logging.getLogger(name).handlers = [handler]
        logging.getLogger(name).propagate = False


class _Few(logging.Filter):
    """Lets pass some records a minute, so that no client can fill the disk."""

    def __init__(self) -> None:
        super().__init__()
        self._since = -_SECONDS
        self._count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is written."""
        if record.exc_info and record.exc_info[0] is UnicodeDecodeError:
            return False  # a client's, whose stream is closed for it: uvicorn logs its traceback
        now = time.monotonic()
        if now - self._since > _SECONDS:
            self._since, self._count = now, 0
        self._count += 1
        if self._count == _LINES:
            record.msg = f"{record.getMessage()} (what else goes wrong in a minute is left out)"
            record.args = ()
        return self._count <= _LINES
