"""What the engine does to every cell: zoneout, truncated and clipped back-propagation."""

import os
import weakref
from typing import Any

import keras
import pytest
from keras import ops

import custom_layers
from custom_layers.engine import backend
from tests.custom_layers.gradients import BACKEND, arrays, tensorflow_only, values_and_gradients
from tests.custom_layers.table import CASES, LOOPED
from tests.custom_layers.test_conformance import (
    BATCH,
    MASKS,
    TIME,
    assert_all_close,
    built,
    inputs,
    outputs_and_gradients,
    randomize,
)


class Stepwise(keras.layers.Layer):
    """The cell step by step in the open, with a function of the state between the steps."""

    def __init__(self, cell: custom_layers.Cell, between: Any) -> None:
        super().__init__()
        self.cell = cell
        self.between = between

    def call(self, x: Any) -> Any:
        state, outputs = self.cell.get_initial_state(BATCH), []
        for time in range(TIME):
            state = [self.between(time, each) for each in state]
            output, state = self.cell(x[:, time], state)
            outputs.append(output)
        return ops.stack(outputs, axis=1)


@pytest.mark.parametrize("truncate", [1, TIME + 1])
@pytest.mark.parametrize("name", ["LSTM", "LRU"])
def test_gradients_may_be_truncated_at_each_step_or_none(name: str, truncate: int) -> None:
    layer = built(CASES[name].make(return_sequences=True, truncate=truncate))
    randomize(layer)
    reference = Stepwise(
        layer.cell,
        lambda time, state: ops.stop_gradient(state) if time % truncate == 0 else state,
    )
    assert_all_close(
        outputs_and_gradients(layer, inputs()), values_and_gradients(reference, reference, inputs())
    )


@pytest.mark.skipif(BACKEND == "torch", reason="torch stacks nothing of what it keeps")
@pytest.mark.parametrize("name", LOOPED)
def test_no_matrix_is_kept_at_every_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    linearized, linearize = [], backend.linearize

    def watched(*given: Any) -> Any:
        linearized.append(linearize(*given))
        return linearized[-1]

    monkeypatch.setattr(backend, "linearize", watched)
    layer = built(CASES[name].make())
    layer(inputs(), training=True)
    (step,) = linearized
    matrices = {tuple(product.kernel.shape) for product in layer.cell.products().values()}
    assert set(step.products) == set(layer.cell.products())
    assert not matrices & {tuple(each.shape) for each in step.collected}


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's transformations")
@pytest.mark.parametrize("name", LOOPED)
def test_jax_transforms_it_as_any_function(name: str) -> None:
    import jax

    def loss_of(layer: keras.layers.Layer, **options: Any) -> Any:
        fixed = [variable.value for variable in layer.non_trainable_variables]

        def loss(weights: Any, x: Any) -> Any:
            return ops.sum(ops.sin(layer.stateless_call(weights, fixed, x, **options)[0]))

        return loss

    def twice(loss: Any) -> Any:
        return jax.jit(jax.grad(lambda *given: ops.sum(ops.sin(jax.grad(loss)(*given)[1]))))

    noise: dict[str, Any] = {"dropout": 0.1, "zoneout": 0.3}
    if CASES[name].has_product:
        noise["recurrent_dropout"] = 0.2
    layer = built(CASES[name].make(return_sequences=True, **noise))
    randomize(layer)
    given = [variable.value for variable in layer.trainable_variables], inputs()
    loss = loss_of(layer, mask=MASKS["holes"], training=True)
    expected = arrays(jax.grad(loss)(*given))
    for differentiated in (jax.grad(jax.jit(loss)), jax.grad(jax.checkpoint(loss))):
        assert_all_close(arrays(differentiated(*given)), expected)

    plain = built(CASES[name].make(return_sequences=True))
    reference = built(keras.layers.RNN(plain.cell, return_sequences=True))
    assert_all_close(
        arrays(twice(loss_of(plain, training=True))(*given)),
        arrays(twice(loss_of(reference))(*given)),
        atol=1e-3,
    )


@pytest.mark.skipif(BACKEND != "torch", reason="torch's graph")
@pytest.mark.parametrize("name", LOOPED)
def test_torch_goes_back_twice_and_forgets_the_steps_with_the_graph(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, linearize = [], backend.linearize

    def watched(*given: Any) -> Any:
        step = linearize(*given)

        def forward(*given: Any) -> Any:
            results = step.forward(*given)
            kept.append(weakref.ref(results[-1]))
            return results

        return step._replace(forward=forward)

    monkeypatch.setattr(backend, "linearize", watched)
    layer = built(CASES[name].make())
    loss = ops.sum(layer(inputs(), training=True))
    loss.backward(retain_graph=True)
    weights = [variable.value for variable in layer.trainable_variables]
    once = [weight.grad.clone() for weight in weights]
    loss.backward()
    assert_all_close(arrays([weight.grad for weight in weights]), arrays([2 * d for d in once]))
    assert len(kept) == TIME
    assert all(each() is not None for each in kept)
    del loss
    assert all(each() is None for each in kept)


@tensorflow_only
@pytest.mark.parametrize(("compiled", "products"), [(False, 1), (True, 0)])
def test_xla_multiplies_the_inputs_inside_its_loop(compiled: bool, products: int) -> None:
    import tensorflow as tf

    layer = custom_layers.LSTM(8)
    layer.build((4, None, 3))
    function = tf.function(lambda x: layer(x), autograph=False, jit_compile=compiled)
    graph = function.get_concrete_function(tf.TensorSpec([4, None, 3])).graph
    found = [each for each in graph.get_operations() if each.type == "MatMul"]
    assert len(found) == products


@tensorflow_only
@pytest.mark.parametrize(
    ("batch", "units", "loops"), [(None, 8, 1), (None, 128, 2), (4, 512, 1), (32, 128, 2)]
)
def test_a_wide_layer_walks_its_batch_in_two_halves(
    batch: int | None, units: int, loops: int
) -> None:
    import tensorflow as tf

    layer = custom_layers.LSTM(units)
    layer.build((batch, None, 3))
    function = tf.function(lambda x: layer(x), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec([batch, None, 3])).graph
    found = [each for each in graph.get_operations() if each.type.endswith("While")]
    assert len(found) == (loops if (os.cpu_count() or 1) > 1 else 1)


@pytest.mark.parametrize("drawn", ["recurrent_dropout", "zoneout"])
@pytest.mark.parametrize("both_directions", [False, True])
def test_two_halves_compute_what_the_whole_batch_does(
    both_directions: bool, drawn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def computed(halves: bool) -> list[Any]:
        monkeypatch.setattr(backend, "prefers_halves", lambda batch, weights: halves)
        layer = custom_layers.GRU(4, seed=7, **{drawn: 0.4})
        layer = built(custom_layers.Bidirectional(layer) if both_directions else layer)
        randomize(layer)
        return outputs_and_gradients(layer, inputs(), mask=MASKS["holes"], training=True)

    assert_all_close(computed(halves=True), computed(halves=False))
