"""The layers on the other backends of Keras: the tests of this folder, in a process of its own."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.custom_layers.gradients import tensorflow_only
from tests.custom_layers.table import REPRESENTATIVES

pytestmark = [
    tensorflow_only,
    pytest.mark.parametrize(
        "backend",
        [
            pytest.param(each, marks=pytest.mark.skipif(not find_spec(each), reason=f"no {each}"))
            for each in ("jax", "torch")
        ],
    ),
]

# Gradients of each representative with holes in the mask; of one, all that there is; a user's own,
# but in no further process; and Bidirectional, Stack and trace.
GRADIENTS = " or ".join(f"[{name}-True-True-True-holes" for name in REPRESENTATIVES)
SELECTED = (
    f"{GRADIENTS} or chunks or test_own_cell or (test_saving and not fresh_process) or "
    "initial_states_go or states_of_a_stack or gates_are_those or "
    "[LSTM and not (equals_the_keras_layer or direction or stack or initializers)"
)

# What Keras itself imports is not held against the layers.
WITHOUT_TENSORFLOW = """
import sys
import keras
before = set(sys.modules)
import custom_layers
layer = custom_layers.LSTM(4, return_sequences=True)
assert layer(keras.ops.ones((2, 3, 5)), training=True).shape == (2, 3, 4)
assert "tensorflow" not in set(sys.modules) - before
"""


def run(backend: str, *arguments: str) -> str:
    """Run Python in the root of the project, with Keras on `backend`; return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parents[2],
        # XLA optimizes for longer than what it compiles here runs.
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_the_layers_do_there_what_they_do_here(backend: str) -> None:
    options = ["-v", "-p", "no:xdist", "-p", "no:cacheprovider", "-k", SELECTED]
    said = run(backend, "-m", "pytest", "tests/custom_layers", *options)
    passed = re.findall(r"equals_the_keras_layer\[(.+)-True-True-True-holes\] PASSED", said)
    assert set(passed) == set(REPRESENTATIVES)


def test_tensorflow_stays_out(backend: str) -> None:
    run(backend, "-c", WITHOUT_TENSORFLOW)
