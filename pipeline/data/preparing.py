"""TFDS for people: data sets are prepared without noise, and what fails says what to do."""

import contextlib
import io
import logging
import random
import sys
from collections.abc import Iterator

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader

from pipeline.data import packaged
from pipeline.data.cache import VARIABLE, cache_directory
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError

_RETRIES = 4


def prepared(name: str) -> tfds.core.DatasetBuilder:
    """The builder of `name`, its data on disk.

    Raises:
        PipelineError: they cannot be had.
    """
    builder = _opened(name)
    unprepared = (
        f"cannot prepare {name}. It takes a connection to the internet, once, and a folder that can"
        f" be written (TFDS_DATA_DIR or {VARIABLE}). A package index is enough for "
        f"{', '.join(packaged.names())}"
    )
    with _explained(unprepared), _good_manners():
        try:
            builder.download_and_prepare()
        except OSError:
            if not builder.data_path.exists():  # else another process was there first
                raise
    return _opened(name)


@contextlib.contextmanager
def reading(builder: tfds.core.DatasetBuilder, split: str) -> Iterator[None]:
    """Say that a split is being read, and what to do if it cannot be."""
    name = builder.info.full_name
    damaged = f"cannot read {name}. Delete {builder.data_dir} and try again"
    with spinner(f"Reading {name}, {split}"), _explained(damaged):
        yield


def _opened(name: str) -> tfds.core.DatasetBuilder:
    folders = f"TFDS_DATA_DIR or {cache_directory() / 'tfds'}"
    cannot = f"cannot open {name}. Delete its folder in {folders} and try again"
    with _explained(cannot), _only_errors("absl"):  # which warns of every config that is not listed
        try:
            return tfds.builder(name)
        except tfds.core.DatasetNotFoundError as error:
            raise PipelineError(f"TFDS has no data set called {name!r}.") from error


@contextlib.contextmanager
def _explained(message: str) -> Iterator[None]:
    """What goes wrong inside TFDS can be anything; the user needs to know what to do about it."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        if isinstance(error.__cause__, PipelineError):  # of a builder of ours
            raise error.__cause__ from None
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise PipelineError(f"{message}. ({type(error).__name__}: {reason})") from error


@contextlib.contextmanager
def _good_manners() -> Iterator[None]:
    """TFDS without its prints, with bars on a terminal only, and offline for seconds, not minutes.

    Its ten retries, a warning each, would take more than three minutes to find no connection. It
    names folders by Python's random numbers, which go on from where they were.
    """
    drawn = random.getstate()
    retries, downloader.MAX_RETRIES = downloader.MAX_RETRIES, _RETRIES
    tfds.display_progress_bar(sys.stderr.isatty())
    try:
        with contextlib.redirect_stdout(io.StringIO()), _only_errors("urllib3.connectionpool"):
            yield
    finally:
        random.setstate(drawn)
        tfds.display_progress_bar(True)
        downloader.MAX_RETRIES = retries


@contextlib.contextmanager
def _only_errors(name: str) -> Iterator[None]:
    """Let a logger write nothing but errors."""
    logger = logging.getLogger(name)
    logger.addFilter(_is_error)
    try:
        yield
    finally:
        logger.removeFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno > logging.WARNING
