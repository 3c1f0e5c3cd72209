import keras
import pytest

from exports import Artifact, export
from tests.exports import writers


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model that reads letters and writes others; tests read it and leave it alone."""
    keras.utils.set_random_seed(0)
    return export(
        writers.translator(),
        tmp_path_factory.mktemp("translator") / "artifact",
        formats=["onnx"],
        labels=writers.SYMBOLS,
        writing=writers.WRITING,
    )
