"""Classes of the user's own are saved and loaded, in this process and in a fresh one."""

import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import custom_layers
from custom_layers import Bidirectional, Cell, GatedCell, Gates, LinearCell, Recurrent, Stack
from custom_layers.layers import CellLayer
from tests.custom_layers.gradients import arrays
from tests.custom_layers.test_conformance import inputs


class MinimalGatedUnit(Cell):
    """The cell of the README."""

    gates = ("f", "h")
    state = ("h",)

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        f = ops.sigmoid(x.f + h.f)
        g = ops.tanh(x.h + f * h.h)
        return self.State(h=(1 - f) * state.h + f * g)


class Average(LinearCell, GatedCell):
    gates = ("z", "h")
    state = ("h",)
    memory = ("h",)

    def coefficients(self, x: Gates) -> Any:
        z = self.recurrent_activation(x.z)
        return [1 - z], [z * x.h]


class Mine(CellLayer, cell=MinimalGatedUnit, recurrent_initializer="identity"):
    """A layer of three lines."""


class WithDepth(MinimalGatedUnit):
    """A cell with an argument and a layer of its own."""

    def __init__(self, units: int, depth: int = 1, **options: Any) -> None:
        super().__init__(units, **options)
        self.depth = depth

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        (new,) = super().step(x, h, state)
        return self.State(h=new / self.depth)


def scaled(factor: float) -> type[Cell]:
    """Define a cell inside a function; all of them have one name."""

    class Scaled(Cell):
        gates = ("h",)
        state = ("h",)

        def step(self, x: Gates, h: Gates, state: Any) -> Any:
            return self.State(h=factor * ops.tanh(x.h + h.h))

    return Scaled


LAYERS: dict[str, Callable[[], keras.layers.Layer]] = {
    "cell": lambda: Recurrent(MinimalGatedUnit(4), return_sequences=True, zoneout=0.1),
    "linear cell": lambda: Recurrent(Average(4)),
    "layer of three lines": lambda: Mine(4, activation="relu"),
    "argument of its own": lambda: Recurrent(WithDepth(4, depth=3)),
    "cell of a function": lambda: Recurrent(scaled(0.5)(4)),
    "both directions": lambda: Bidirectional(Recurrent(MinimalGatedUnit(4))),
    "stack": lambda: Stack([MinimalGatedUnit(4), Recurrent(Average(4)), custom_layers.LSTM(4)]),
    "in Keras's layer": lambda: keras.layers.RNN(MinimalGatedUnit(4)),
    "in Keras's directions": lambda: keras.layers.Bidirectional(Recurrent(Average(4))),
}


def model_of(layer: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((None, 3)), layer])


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_class_of_the_users_own_is_copied_saved_and_loaded(make: Any, tmp_path: Path) -> None:
    model = model_of(make())
    model.save(tmp_path / "model.keras")
    copies = [
        keras.saving.load_model(tmp_path / "model.keras"),
        pickle.loads(pickle.dumps(model)),
        keras.models.clone_model(model),
        keras.Sequential.from_config(model.get_config()),
    ]
    expected = arrays(model(inputs()))
    for copy in copies[:2]:
        np.testing.assert_array_equal(arrays(copy(inputs())), expected)
    for copy in copies:
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(arrays(copy(inputs())), expected)


def test_the_last_of_several_definitions_is_loaded_and_copies_keep_their_own(
    tmp_path: Path,
) -> None:
    earlier = Recurrent(scaled(0.25)(4))
    later = scaled(0.5)
    model = model_of(earlier)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0].cell) is later
    both, stack = Bidirectional(earlier), Stack([earlier])
    assert type(both.backward_layer.cell) is type(stack.layers[0].cell) is type(earlier.cell)


def test_a_name_that_the_user_registers_is_kept(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("tests", "Renamed")
    class Named(MinimalGatedUnit):
        pass

    assert keras.saving.serialize_keras_object(Named(4))["registered_name"] == "tests>Renamed"
    model = model_of(Recurrent(Named(4)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(arrays(loaded(inputs())), arrays(model(inputs())))


def test_names_of_public_classes_stay_those_of_older_files() -> None:
    public = [getattr(custom_layers, name) for name in custom_layers.__all__]
    cells = [getattr(custom_layers.cells, name) for name in custom_layers.cells.__all__]
    classes = [each for each in public if isinstance(each, type) and hasattr(each, "get_config")]
    assert len(classes) > 30
    for each in classes + cells:
        assert keras.saving.get_registered_name(each) == f"custom_layers>{each.__name__}"


def as_saved(name: str | None, module: str | None, **others: str) -> dict[str, Any]:
    """Return the config of a layer around a cell, as it stands in a file."""
    config = Recurrent(MinimalGatedUnit(4)).get_config()
    config["cell"].update(registered_name=name, module=module, **others)
    return config


def test_a_file_from_before_cells_registered_is_loaded() -> None:
    old = as_saved("MinimalGatedUnit", __name__)
    assert type(Recurrent.from_config(old).cell) is MinimalGatedUnit


@pytest.mark.parametrize("name", ["Elsewhere", "cells>Elsewhere"])
def test_custom_objects_are_found_by_class_and_by_registered_name(name: str) -> None:
    config = as_saved("cells>Elsewhere", "cells", class_name="Elsewhere")
    with keras.saving.CustomObjectScope({name: MinimalGatedUnit}):
        assert type(Recurrent.from_config(config).cell) is MinimalGatedUnit


def half(x: Any) -> Any:
    return ops.tanh(x) / 2


class Same(keras.initializers.Initializer):
    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.ones(shape, dtype)


UNKNOWN = {
    "another module's": (
        as_saved("other.cells>MinimalGatedUnit", "other.cells"),
        "The class 'MinimalGatedUnit' of the module 'other.cells' is not known here. Import "
        "'other.cells' before the model is loaded, or pass "
        "custom_objects={'other.cells>MinimalGatedUnit': ...} to the loading function.",
    ),
    "a program's": (
        as_saved("train>Sum", None, class_name="Sum"),
        "The class 'Sum' of the module 'train' is not known here. Import 'train' before",
    ),
    "a notebook's": (
        as_saved("__main__>Sum", None, class_name="Sum"),
        "The class 'Sum' of a notebook or an interactive session is not known here. Define it "
        "again before",
    ),
    "a registered one's": (
        as_saved("mine>Sum", "sums", class_name="Sum"),
        "The class 'Sum' of the module 'sums' is not known here. Import 'sums' before the model is "
        "loaded, or pass custom_objects={'mine>Sum': ...}",
    ),
    "an unregistered one's": (
        as_saved("Sum", "sums", class_name="Sum"),
        "The class 'Sum' of the module 'sums' is not known here. Decorate it with "
        "@keras.saving.register_keras_serializable(). Import 'sums' before",
    ),
    "an initializer's": (
        Recurrent(MinimalGatedUnit(4, kernel_initializer=Same())).get_config(),
        f"The class 'Same' of the module '{__name__}' is not known here. Decorate it",
    ),
    "a function's": (
        Recurrent(MinimalGatedUnit(4, activation=half)).get_config(),
        "The function 'half' is not known here. Decorate it",
    ),
}


@pytest.mark.parametrize(("config", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_known_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Recurrent.from_config(config)
    with pytest.raises(ValueError, match=re.escape(message)):
        Stack.from_config(
            {"layers": [{"class_name": "Recurrent", "registered_name": "x", "config": config}]}
        )


TRAINED = """
import keras
import numpy as np
from keras import ops
from custom_layers import Bidirectional, Cell, Recurrent

class Gated(Cell):
    gates = ("f", "h")
    state = ("h",)

    def step(self, x, h, state):
        f = ops.sigmoid(x.f + h.f)
        return self.State(h=f * state.h + (1 - f) * ops.tanh(x.h + h.h))

if __name__ == "__main__":
    model = keras.Sequential([keras.Input((None, 3)), Bidirectional(Recurrent(Gated(4)))])
    model.save("model.keras")
    np.save("outputs.npy", ops.convert_to_numpy(model(np.ones((2, 5, 3)))))
"""

SERVED = """
import keras
import numpy as np
import custom_layers
try:
    keras.saving.load_model("model.keras")
except ValueError as error:
    print("Refused:", error)
import trained
model = keras.saving.load_model("model.keras")
outputs = keras.ops.convert_to_numpy(model(np.ones((2, 5, 3))))
np.testing.assert_array_equal(outputs, np.load("outputs.npy"))
print("Served.")
"""


def test_a_fresh_process_is_told_what_to_import(tmp_path: Path) -> None:
    """The cell was defined in the program that saved it, and the other one imports that program."""
    (tmp_path / "trained.py").write_text(TRAINED, encoding="utf-8")
    (tmp_path / "served.py").write_text(SERVED, encoding="utf-8")
    said = ""
    for program in ("trained.py", "served.py"):
        done = subprocess.run(
            [sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert said.splitlines() == [
        "Refused: The class 'Gated' of the module 'trained' is not known here. Import 'trained' "
        "before the model is loaded, or pass custom_objects={'trained>Gated': ...} to the loading "
        "function.",
        "Served.",
    ]
