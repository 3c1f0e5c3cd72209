"""What a model makes of one input, as arrays: answers, gradients, states and gates."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from custom_layers import Recurrent, Trace, Tracer
from exports.tracing import replaced
from pipeline import batches
from pipeline.config import Config
from pipeline.explain.spec import Array, Explained, ExplainSpec, Inputs, Tensor, given


@dataclass(frozen=True, eq=False)
class Dependence:
    """How `n` numbers depend on an input: its values `[steps, ...]`, gradients `[n, steps, ...]`.

    Of an input of integers, the values are what the first layer makes of it, such as embeddings.
    """

    values: Array
    gradients: Array

    @property
    def norms(self) -> Array:
        """The norm of the gradient of each number at each step, `[n, steps]`."""
        count, steps = self.gradients.shape[:2]
        flat = self.gradients.reshape(count, steps, -1)
        found: Array = np.linalg.norm(flat, axis=-1)
        return found

    @property
    def pushes(self) -> Array:
        """Gradient times value, summed over each step, `[n, steps]`.

        By so much each number rises, in the first order, for each part that a step grows by.
        """
        count, steps = self.gradients.shape[:2]
        found: Array = (self.gradients * self.values).reshape(count, steps, -1).sum(-1)
        return found


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What a recurrent layer did, in the order in which the input is read.

    Attributes:
        layer: its name.
        backwards: whether it read the last step first.
        gates: by letter, `[steps, units]`, and the states by name.
        real: where it read a step, and not padding, `[steps]`.
        gradients: by state, the norm of dL/dstate after each step, `[steps]`.
        clip: where training clips that norm, or None.
    """

    layer: str
    backwards: bool
    gates: Mapping[str, Array]
    states: Mapping[str, Array]
    real: Array
    gradients: Mapping[str, Array]
    clip: float | None

    def by_lag(self, name: str) -> Array:
        """Return dL/dstate `name` by how many steps came after it, the last step first."""
        real = self.gradients[name][self.real]
        return real if self.backwards else real[::-1]


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a model makes of an input.

    Attributes:
        name: of the model.
        spec: how the input is read.
        predictions: the model's answers after each step.
        explained: what of them is explained.
        dependence: how that depends on the input.
        attention: how much each step attends to each that is read, `[steps, read]`, or None.
        layer_traces: what the recurrent layers did.
        untrained: what they did before training.
    """

    name: str
    spec: ExplainSpec
    predictions: Array
    explained: Explained
    dependence: Dependence
    attention: Array | None
    layer_traces: Sequence[LayerTrace]
    untrained: Sequence[LayerTrace]


def explain(name: str, config: Config, spec: ExplainSpec) -> Explanation:
    """Ask a model about an input, and look at what it depends on and at what is remembered."""
    model = spec.model
    drawn_anew = untrained(model, config.seed)  # first: setting a seed drops compiled graphs
    predictions = spec.running(batches.compute(model), spec)
    explained = spec.explain(predictions)
    layer_traces = functools.partial(
        traces, Tracer(model, _total(explained.score)), model, given(spec.inputs)
    )
    trained = layer_traces()
    with _weights(model, drawn_anew):
        before = layer_traces()
    attention: Array | None = None
    if spec.attention is not None:
        attention = batches.compute(spec.attention)(given(spec.inputs))[0]
    return Explanation(
        name,
        spec,
        predictions,
        explained,
        dependence(model, spec.inputs, spec.source, explained.score),
        attention,
        trained,
        before,
    )


def dependence(
    model: keras.Model, inputs: Inputs, source: str, score: Callable[[Tensor], Tensor]
) -> Dependence:
    """Take the gradients of each score by `source`, or by what is made of its integers."""
    (symbolic,) = (each for each in model.inputs if each.name == source)
    tensors = {name: tf.constant(values) for name, values in inputs.items()}

    def compute() -> tuple[Tensor, list[Tensor]]:
        seen: list[Tensor] = []

        def watched(tensor: Tensor) -> Tensor:
            tape.watch(tensor)
            seen.append(tensor)
            return tensor

        with tf.GradientTape(persistent=True) as tape, ExitStack() as stack:
            if tensors[source].dtype.is_floating:
                watched(tensors[source])
            for layer in _readers(model, symbolic):
                stack.enter_context(replaced(layer, "call", _then(layer.call, watched)))
            scores = tf.reshape(score(model(given(tensors), training=False)), [-1])
            parts = tf.unstack(scores)
        gradients = [tape.gradient(each, seen[0]) for each in parts]
        return seen[0], [tf.convert_to_tensor(each) for each in gradients]

    # In a graph, a long loop takes a tenth of the time.
    values, gradients = tf.function(compute, autograph=False)()
    return Dependence(values[0].numpy(), np.stack([each[0].numpy() for each in gradients]))


def _readers(model: keras.Model, read: Tensor) -> list[keras.layers.Layer]:
    """Return the layers that make numbers of an input of integers."""
    layers = (each for each in model.layers if not isinstance(each, keras.layers.InputLayer))
    return [layer for layer in layers if layer.input is read]


def _then(call: Callable[..., Tensor], watched: Callable[[Tensor], Tensor]) -> Any:
    def both(inputs: Tensor, *arguments: Any, **options: Any) -> Tensor:
        made = call(inputs, *arguments, **options)
        return made if arguments or options.get("reverse") else watched(made)

    return both


def _total(score: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return L, the sum of the scores."""
    return lambda outputs: tf.reduce_sum(score(outputs))


def traces(tracer: Tracer, model: keras.Model, inputs: Any) -> list[LayerTrace]:
    """Trace the recurrent layers of `model`, called with `inputs`, a batch of one row."""
    layers = {each.name: each for each in model._flatten_layers() if isinstance(each, Recurrent)}
    return [_layer_trace(layers[name], trace) for name, trace in tracer(inputs).items()]


def _layer_trace(layer: Recurrent, trace: Trace) -> LayerTrace:
    def ordered(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
        arrays = {name: tensor[0].numpy() for name, tensor in tensors.items()}
        return {name: each[::-1] if layer.go_backwards else each for name, each in arrays.items()}

    (real,) = ordered({"": trace.real}).values()
    return LayerTrace(
        layer.name,
        layer.go_backwards,
        ordered(trace.gates),
        ordered(trace.states),
        real,
        ordered(trace.gradients),
        layer.clip_state_gradient,
    )


def untrained(model: keras.Model, seed: int) -> list[Array]:
    """Return the weights that the layers of a model like `model` draw by `seed`."""
    keras.utils.set_random_seed(seed)
    weights: list[Array] = keras.models.clone_model(model).get_weights()
    return weights


@contextmanager
def _weights(model: keras.Model, weights: list[Array]) -> Iterator[None]:
    """Let `model` have other weights for a while."""
    own = model.get_weights()
    model.set_weights(weights)
    try:
        yield
    finally:
        model.set_weights(own)


def order(activity: Array) -> Array:
    """Order units, of `[steps, units]`, by the step at which they are most active."""
    found: Array = np.argsort(np.abs(activity).argmax(axis=0), kind="stable")
    return found
