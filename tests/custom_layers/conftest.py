import os
from collections.abc import Iterator

# On a GPU, JAX's products have 10 bits of mantissa by default, as TensorFlow's have.
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "float32")

import keras
import pytest

from tests.custom_layers.table import CASES, Case


@pytest.fixture(params=CASES, scope="session")
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(autouse=True)
def _in_full_precision() -> Iterator[None]:
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from exports import traced

    with traced.in_full_precision():
        yield


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(0)
