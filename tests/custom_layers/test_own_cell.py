"""A cell of the user's own: ten lines of equations, and everything else is derived."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from custom_layers import Cell, Gates, Recurrent
from tests.custom_layers.gradients import BACKEND, arrays
from tests.custom_layers.test_conformance import (
    assert_all_close,
    built,
    inputs,
    masks,
    outputs_and_gradients,
    randomize,
)


@keras.saving.register_keras_serializable("tests")
class Peephole(Cell):
    """An LSTM whose gates see the memory, by weights that the step reads."""

    gates = ("i", "f", "c", "o")
    state = ("h", "c")

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.peephole = self.add_weight(shape=(2, self.units), name="peephole")
        self.norm = keras.layers.LayerNormalization()
        self.norm.build((None, self.units))

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        z = x + h
        i = ops.sigmoid(z.i + self.peephole[0] * state.c)
        f = ops.sigmoid(z.f + self.peephole[1] * state.c)
        c = self.norm(f * state.c + i * ops.tanh(z.c))
        return self.State(h=ops.sigmoid(z.o) * ops.tanh(c), c=c)


@masks
@pytest.mark.parametrize("training", [False, True])
def test_every_weight_it_reads_gets_its_gradient(mask: np.ndarray | None, training: bool) -> None:
    layer = built(Recurrent(Peephole(4), return_sequences=True))
    randomize(layer)
    reference = built(keras.layers.RNN(layer.cell, return_sequences=True))
    assert len(layer.trainable_variables) == 6
    assert_all_close(
        outputs_and_gradients(layer, inputs(), mask=mask, training=training),
        outputs_and_gradients(reference, inputs(), mask=mask),
    )


def test_frozen_weights_are_read_too() -> None:
    layer = built(Recurrent(Peephole(4)))
    randomize(layer)
    expected = arrays(layer(inputs()))
    layer.cell.trainable = False
    np.testing.assert_allclose(arrays(layer(inputs(), training=True)), expected, atol=1e-6)


def test_it_saves_and_loads(tmp_path: Any) -> None:
    model = keras.Sequential([keras.Input((None, 3)), Recurrent(Peephole(4))])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(arrays(loaded(inputs())), arrays(model(inputs())))


def test_what_a_cell_lacks_is_named() -> None:
    class Unfinished(Cell):
        gates = ("h",)
        state = ("h",)

    with pytest.raises(TypeError, match="Unfinished is a Cell and must define `step`"):
        Unfinished(4)


def test_a_gate_that_is_not_there_is_named() -> None:
    class Misspelt(Cell):
        gates = ("z", "h")
        state = ("h",)

        def step(self, x: Gates, h: Gates, state: Any) -> Any:
            return self.State(h=x.r)

    with pytest.raises(AttributeError, match=r"no gate 'r'; the gates are \('z', 'h'\)"):
        Recurrent(Misspelt(4))(inputs())


@pytest.mark.skipif(BACKEND == "torch", reason="torch does not trace the step")
def test_a_tensor_that_is_not_its_own_is_named() -> None:
    stray = ops.ones((4,))

    class ExplainSpec(Cell):
        gates = ("h",)
        state = ("h",)

        def step(self, x: Gates, h: Gates, state: Any) -> Any:
            return self.State(h=x.h + stray * h.h)

    with pytest.raises(ValueError, match="may read its arguments and the weights of its cell"):
        Recurrent(ExplainSpec(4))(inputs(), training=True)


def cell_that_returns(make: Any) -> Cell:
    class Broken(Cell):
        gates = ("h",)
        state = ("h",)

        def step(self, x: Gates, h: Gates, state: Any) -> Any:
            return make(self, x)

    return Broken(4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda cell, x: x.h, TypeError, r"Broken\.step must return self\.State\(h=\.\.\.\), not"),
        (lambda cell, x: cell.State(h=0.5), TypeError, r"must return tensors, but its h is 0\.5"),
        (lambda cell, x: cell.State(h=x), TypeError, "must return tensors, but its h is <"),
        (
            lambda cell, x: cell.State(h=ops.concatenate([x.h, x.h], -1)),
            ValueError,
            r"must return h of width 4, not shape \(5, 8\)",
        ),
        (
            lambda cell, x: cell.State(h=x.h[:, :, None] * x.h[:, None, :]),
            ValueError,
            r"not shape \(5, 4, 4\): a state is one vector for each row\. .*keras\.layers\.RNN",
        ),
    ],
)
def test_what_a_step_returns_wrongly_is_named(make: Any, error: Any, message: str) -> None:
    layer = built(Recurrent(cell_that_returns(make)))
    for training in (False, True):
        with pytest.raises(error, match=message):
            layer(inputs(), training=training)


def test_gates_that_do_not_fill_the_projection_are_named() -> None:
    class Short(Cell):
        gates = ("z", "h")
        state = ("h",)

        def prepare(self, product: Any) -> Any:
            return product[..., : self.units]

        def step(self, x: Gates, h: Gates, state: Any) -> Any:
            return self.State(h=x.h)

    with pytest.raises(ValueError, match=r"Short has the gates \('z', 'h'\) of 4 units.*width 4"):
        Recurrent(Short(4))(inputs())


def test_names_that_are_no_tuple_are_named() -> None:
    with pytest.raises(TypeError, match=r"`gates` of Slip must be a tuple.*write \('h',\)"):

        class Slip(Cell):
            gates = "h"  # type: ignore[assignment]
            state = ("h",)
