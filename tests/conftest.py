"""What the tests of several rooms need."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says nothing on a machine that others use, too.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

# Before TensorFlow is loaded: its native log goes to stderr, where tests look for one line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# And JAX, whose products a GPU rounds to 10 bits, has 23 here, as below.
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "float32")
# And of several processes of tests each keeps to one core: its threads would spin on the others'.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest that would come last, so that all processes end together."""
    items.sort(key=lambda item: item.path.name != "test_wheel.py")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what is marked `gpu` where there is none."""
    if item.get_closest_marker("gpu"):
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            pytest.skip("needs a GPU")


@pytest.fixture(autouse=True, scope="session")
def _timed_briefly() -> Iterator[None]:
    """Let an export time few calls: tests ask whether it says how long they took, not how long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exports.latency._ROUNDS", 3)
        yield


@pytest.fixture(autouse=True)
def _in_full_precision(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no GPU round what is held against a reference to TF32."""
    import keras

    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    if backend != "tensorflow":
        yield
        return
    from exports import tracing

    with tracing.in_full_precision():
        yield


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs begun here hear SIGINT, which a shell lets what runs in its background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk with options of `mount`, such as its size, where the system lets us mount one."""
    target = tmp_path / "disk"
    target.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(target)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no mounting here: {error}")
        return target

    yield mount
    if os.path.ismount(target):
        subprocess.run(["umount", str(target)], check=True)
