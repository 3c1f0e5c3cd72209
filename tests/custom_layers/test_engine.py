"""What the engine does to every cell: zoneout, truncated and clipped back-propagation."""

import os
import weakref
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import custom_layers
from custom_layers.engine import backend
from tests.custom_layers.gradients import BACKEND, arrays, tensorflow_only, values_and_gradients
from tests.custom_layers.table import CASES, LOOPED, Case
from tests.custom_layers.test_conformance import (
    BATCH,
    MASKS,
    TIME,
    assert_all_close,
    built,
    inputs,
    outputs_and_gradients,
    randomize,
    states,
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


def test_truncated_gradients_stop_after_so_many_steps(case: Case) -> None:
    assert_truncated(case, 3)


@pytest.mark.parametrize("truncate", [1, TIME + 1])
@pytest.mark.parametrize("name", ["LSTM", "LRU"])
def test_gradients_may_be_truncated_at_each_step_or_none(name: str, truncate: int) -> None:
    assert_truncated(CASES[name], truncate)


def assert_truncated(case: Case, truncate: int) -> None:
    layer = built(case.make(return_sequences=True, truncate=truncate))
    randomize(layer)
    reference = Stepwise(
        layer.cell,
        lambda time, state: ops.stop_gradient(state) if time % truncate == 0 else state,
    )
    assert_all_close(
        outputs_and_gradients(layer, inputs()), values_and_gradients(reference, reference, inputs())
    )


def test_clipped_gradients_are_clipped_at_every_step(case: Case) -> None:
    layer = built(case.make(return_sequences=True, clip_state_gradient=0.1))
    randomize(layer)

    @ops.custom_gradient
    def clipped(state: Any) -> Any:
        def gradient(*d_states: Any, upstream: Any = None) -> Any:
            d_state = d_states[0] if upstream is None else upstream
            return d_state * (0.1 / ops.maximum(ops.norm(d_state, axis=-1, keepdims=True), 0.1))

        return ops.copy(state), gradient

    reference = Stepwise(layer.cell, lambda _, state: clipped(state))
    ours = outputs_and_gradients(layer, inputs())
    assert_all_close(ours, values_and_gradients(reference, reference, inputs()))
    free = built(case.make(return_sequences=True))
    free.set_weights(layer.get_weights())
    assert np.abs(ours[2] - outputs_and_gradients(free, inputs())[2]).max() > 0.01


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


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mask", ["none", "holes"])
def test_zoneout_keeps_a_part_of_each_state(case: Case, training: bool, mask: str) -> None:
    layer = built(case.make(return_sequences=True, return_state=True, zoneout=0.3, seed=5))
    randomize(layer)
    seen = []
    walk = layer.walk

    def watched(recurrence: Any, *rest: Any) -> Any:
        seen.append(recurrence.held)
        return walk(recurrence, *rest)

    layer.walk = watched
    state = tuple(states(layer))
    outputs, *final = arrays(
        layer(inputs(), initial_state=list(state), mask=MASKS[mask], training=training)
    )
    held = arrays(seen[0]) if training else None
    shown = np.zeros_like(state[0])
    for time in range(TIME):
        stepped = case.equations(inputs()[:, time], state, layer.get_weights())
        if held is None:
            stepped = tuple(0.3 * o + 0.7 * n for o, n in zip(state, stepped, strict=True))
        else:
            stepped = tuple(
                np.where(h[:, time], o, n) for h, o, n in zip(held, state, stepped, strict=True)
            )
        real = np.ones(BATCH, bool) if mask == "none" else MASKS[mask][:, time]
        state = tuple(np.where(real[:, None], n, o) for n, o in zip(stepped, state, strict=True))
        shown = np.where(real[:, None], state[0], shown)
        np.testing.assert_allclose(outputs[:, time], shown, atol=1e-5)
    assert_all_close(final, list(state))
    if held is not None:
        assert 0.2 < np.mean([each.mean() for each in held]) < 0.4


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


@pytest.mark.parametrize("name", LOOPED)
def test_two_halves_of_a_batch_equal_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"return_sequences": True, "return_state": True}
    layer = built(CASES[name].make(**options))
    randomize(layer)
    given = inputs(), states(layer), MASKS["holes"]
    whole, trained = arrays(layer(*given)), outputs_and_gradients(layer, *given)
    monkeypatch.setattr(backend, "prefers_halves", lambda batch, weights: True)
    assert_all_close(arrays(layer(*given)), whole)
    assert_all_close(outputs_and_gradients(layer, *given), trained)


@pytest.mark.parametrize("name", LOOPED)
def test_inputs_multiplied_inside_the_loop_equal_those_multiplied_before(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = built(CASES[name].make(return_sequences=True, return_state=True))
    randomize(layer)
    arguments = (layer, inputs(), states(layer), MASKS["holes"], False)
    monkeypatch.setattr(backend, "prefers_hoisting", lambda: True)
    before = outputs_and_gradients(*arguments)
    monkeypatch.setattr(backend, "prefers_hoisting", lambda: False)
    assert_all_close(before, outputs_and_gradients(*arguments))


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
