"""TensorFlow without its chatter."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from exports import extras
from pipeline.errors import PipelineError
from pipeline.messages import say


def load_tensorflow() -> None:
    """Import TensorFlow, as Keras's backend, without a word but of another backend that was chosen.

    Raises:
        PipelineError: it cannot be imported.
    """
    chosen = os.environ.get("KERAS_BACKEND", "tensorflow")
    if chosen != "tensorflow":
        say(f"KERAS_BACKEND={chosen} is overridden: the pipeline runs Keras on TensorFlow")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _silence(), extras.needed("pipeline"):
            import tensorflow  # noqa: F401
    except ImportError as error:
        raise PipelineError(f"TensorFlow cannot be loaded: {error}") from error
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what is written to stderr, by C++ too: while TensorFlow is loaded, no setting does."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
