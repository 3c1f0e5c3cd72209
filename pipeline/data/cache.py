"""Where fetched and prepared data live on this machine."""

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "KERAS_RECURRENT_CACHE"


def cache_directory() -> Path:
    """The folder named by KERAS_RECURRENT_CACHE, or else the user's own cache directory."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return user_cache_path("keras-recurrent", appauthor=False)
