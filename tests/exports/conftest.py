import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import pytest

import custom_layers
from exports import Artifact, export, load
from exports.text import TextEncoder
from tests.exports import models, writers


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """The same initial weights in each test, and no policy left over from another."""
    policy = keras.config.dtype_policy()
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="session")
def model() -> keras.Model:
    """A classifier of texts."""
    keras.utils.set_random_seed(0)
    return models.classifier()


@pytest.fixture(scope="session")
def encoder() -> TextEncoder:
    return TextEncoder(models.VOCABULARY, max_length=12)


@pytest.fixture(scope="session")
def exported(
    model: keras.Model, encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Artifact:
    """The classifier in all formats; tests read it and leave it alone."""
    return export(
        model,
        tmp_path_factory.mktemp("exported") / "artifact",
        encoder=encoder,
        labels=["negative", "positive"],
        texts=["good!", "not good", "bad, bad день", ""],
        card={"Task": "sentiment"},
        config={"units": models.UNITS},
    )


@pytest.fixture(scope="session")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, keras.Model]:
    """A model of sequences that can be given in chunks, and the files of it."""
    x = models.sequences()
    h = custom_layers.LSTM(models.UNITS, return_sequences=True, name="reader")(x)
    model = models.randomized(keras.Model(x, keras.layers.Dense(2, name="steps")(h)))
    directory = tmp_path_factory.mktemp("streamed") / "artifact"
    return export(model, directory, formats=["onnx"], streaming=True), model


@pytest.fixture
def copied(exported: Artifact, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the artifact, to damage."""

    def copy() -> Path:
        return Path(shutil.copytree(exported.directory, tmp_path / "copy"))

    return copy


@pytest.fixture
def reloaded(exported: Artifact) -> Artifact:
    return load(exported.directory)


@pytest.fixture(scope="session")
def writer() -> keras.Model:
    keras.utils.set_random_seed(0)
    return writers.translator()


@pytest.fixture(scope="session")
def written(writer: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(
        writer,
        tmp_path_factory.mktemp("written") / "artifact",
        formats=["saved_model", "onnx", "litert"],
        labels=writers.SYMBOLS,
        writing=writers.WRITING,
    )
