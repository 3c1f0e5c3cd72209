"""Files of Keras that somebody else made: read within limits, or refused in one line."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import custom_layers
from exports import ExportError, read_keras
from tests.damage import bounded

ONE = np.ones((1, 2, 3), "float32")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model in a file."""
    x = keras.Input((None, 3), name="steps")
    model = keras.Model(x, keras.layers.Dense(2)(custom_layers.GRU(4, name="memory")(x)))
    model.save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


def rewrite(path: Path, change: Callable[[dict[str, bytes]], Any], packed: bool = False) -> None:
    """Change the members of an archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def configure(**options: Any) -> Callable[[dict[str, bytes]], None]:
    """Give the layer `memory` other options."""

    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        (layer,) = (each for each in config["config"]["layers"] if each["name"] == "memory")
        layer["config"].update(options)
        members["config.json"] = json.dumps(config).encode()

    return change


HOSTILE: dict[str, Callable[[dict[str, bytes]], Any]] = {
    "deep": lambda members: members.update({"config.json": b"[" * 10**6}),
    "no config": lambda members: members.pop("config.json"),
    "no weights": lambda members: members.pop("model.weights.h5"),
    "no JSON": lambda members: members.update({"config.json": b"\xff"}),
    "a list": lambda members: members.update({"config.json": b"[]"}),
    "an unknown class": lambda members: members.update(
        {"config.json": b'{"module": "os", "class_name": "system", "config": {}}'}
    ),
    "text": lambda members: members.update({"model.weights.h5": b"no HDF5"}),
    "many units": configure(units=10**6),
    "more than there are": configure(units=10**15),
    "negative units": configure(units=-1),
    "units that are text": configure(units="4"),
    "units of a list": configure(units=[4]),
    "an option that is none": configure(colour="red"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(kind: str, path: Path) -> None:
    rewrite(path, HOSTILE[kind])
    with bounded(), pytest.raises(ExportError, match=r"own\.keras") as raised:
        read_keras(path)
    assert "\n" not in str(raised.value)


class Mine(keras.Model):
    """A model whose class is known to the program that saved it alone."""

    def call(self, x: Any) -> Any:
        return x


def test_a_model_of_a_class_that_nobody_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mine, "__module__", "their_program")
    model = Mine()
    model(ONE)
    model.save(tmp_path / "own.keras")
    missing = r"class 'Mine' of the module 'their_program' .* Import 'their_program' before"
    with pytest.raises(ExportError, match=missing):
        read_keras(tmp_path / "own.keras")


def test_what_is_packed_anew_is_read_and_a_bomb_is_not(path: Path) -> None:
    expected = read_keras(path)(ONE)
    rewrite(path, lambda members: None, packed=True)
    np.testing.assert_array_equal(read_keras(path)(ONE), expected)
    rewrite(path, lambda members: members.update({"assets/x": b" " * 2**28}), packed=True)
    with bounded(memory=2**28), pytest.raises(ExportError, match="would unpack to more than"):
        read_keras(path)


def test_weights_that_claim_to_be_larger_than_their_file(path: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "weights.h5", "w") as weights:
        weights.create_dataset("huge", (2**40,), "float32", chunks=(1024,))
    content = (tmp_path / "weights.h5").read_bytes()
    rewrite(path, lambda members: members.update({"model.weights.h5": content}))
    with bounded(), pytest.raises(ExportError, match="claim to have"):
        read_keras(path)


def test_an_hdf5_file_is_named_and_its_conversion_works(tmp_path: Path) -> None:
    """Also that of Keras 2, whose layers have `time_major`; what is said is run as it stands."""
    x = keras.Input((None, 3))
    model = keras.Model(x, keras.layers.Bidirectional(keras.layers.LSTM(2))(x))
    path = tmp_path / "own.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        timed = config.replace('"go_backwards"', '"time_major": false, "go_backwards"')
        file.attrs["model_config"] = timed
    with pytest.raises(ExportError, match="is an HDF5 file, as Keras 2 wrote it") as raised:
        read_keras(path)
    _, _, command = str(raised.value).partition("convert it in Python, ")
    subprocess.run([sys.executable, "-c", f"import keras; {command}"], check=True)
    np.testing.assert_allclose(read_keras(tmp_path / "own.keras")(ONE), model(ONE), atol=1e-6)


def test_an_hdf5_file_of_weights_alone(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(ExportError, match=r"HDF5 file of weights alone: .*load_weights"):
        read_keras(tmp_path / "own.weights.h5")
