"""What a learner asks of a recurrent layer: its states, its gates and dL/dstate, at every step."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, final

import keras
from keras import ops

from custom_layers import engine
from custom_layers.cell import Cell, Gates, Tensor
from custom_layers.engine import LoopOptions, backend
from custom_layers.recurrent import Recurrent


class Trace(NamedTuple):
    """The steps of one layer, in the order of its loop.

    Attributes:
        states: by name, the state after each step, `[batch, time, U]`.
        gates: by letter, the gate at each step after its activation, `[batch, time, U]`.
        gradients: by state, the norm of dL/dstate after each step, `[batch, time]`.
        real: True where a step was read, False where the mask held the state, `[batch, time]`.
    """

    states: dict[str, Tensor]
    gates: dict[str, Tensor]
    gradients: dict[str, Tensor]
    real: Tensor


def trace(
    model: keras.layers.Layer, inputs: Any, loss: Callable[[Any], Tensor] | None = None
) -> dict[str, Trace]:
    """Walk the recurrent layers of `model` step by step, and say what each did.

    The model is left as it was. A gate is found by what it depends on, not by its name in the code:
    it is what an activation of the cell (`activation`, `recurrent_activation`) made of the gate's
    block of the inputs. Gates that a cell activates in another way are left out.

    Args:
        model: a model, or one layer. It must have been built.
        inputs: what it is called with.
        loss: a scalar of its outputs, L; without one, their sum.

    Returns:
        For the name of each `Recurrent` in it, a `Trace` of its last call.

    Raises:
        ValueError: if there is no `Recurrent` in it.
    """
    return Tracer(model, loss)(inputs)


@final
class Tracer:
    """A function that gives what `trace` gives, and is made once for many inputs or weights."""

    def __init__(
        self, model: keras.layers.Layer, loss: Callable[[Any], Tensor] | None = None
    ) -> None:
        """Take what `trace` takes, and raise what it raises."""
        layers = [each for each in model._flatten_layers() if isinstance(each, Recurrent)]
        if not layers:
            raise ValueError(f"{model.name!r} has no recurrent layer of custom_layers to trace.")
        self._model, self._loss = model, loss or _sum
        self._watchers = [_Watcher(layer) for layer in layers]
        self._loop = engine.as_graph(self._run_loop)
        self._differentiated = engine.as_graph(self._differentiate)

    def __call__(self, inputs: Any) -> dict[str, Trace]:
        """Return, for the name of each recurrent layer, a `Trace` of its last call."""
        inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
        with contextlib.ExitStack() as stack:
            for watcher in self._watchers:
                stack.enter_context(_watching(watcher))
            firsts, states = zip(*self._loop(inputs), strict=True)
            probes = [ops.zeros_like(each) for layer_states in states for each in layer_states]
            seen, gradients = self._differentiated(inputs, probes)
        remaining = iter(gradients)
        traces = {}
        for watcher, first, (states, heard, real) in zip(self._watchers, firsts, seen, strict=True):
            gates = zip(watcher.gate_names(*first), heard, strict=True)
            traces[watcher.layer.name] = Trace(
                states=dict(zip(watcher.cell.state, states, strict=True)),
                gates={name: values for name, values in gates if name is not None},
                gradients={name: ops.norm(next(remaining), axis=-1) for name in watcher.cell.state},
                real=real,
            )
        return traces

    def _run_loop(self, inputs: Any) -> list[Any]:
        """Return first inputs and states of each layer, and its states after every step."""
        for watcher in self._watchers:
            watcher.probes = None
        self._model(inputs)
        return [(watcher.first, watcher.states) for watcher in self._watchers]

    def _differentiate(self, inputs: Any, probes: list[Tensor]) -> tuple[Any, list[Tensor]]:
        """Return what each layer did, and the gradients of L by `probes`.

        What is added to a state has the gradient of the state.
        """

        def run(probes: list[Tensor]) -> tuple[Tensor, Any]:
            remaining = iter(probes)
            for watcher in self._watchers:
                watcher.probes = [next(remaining) for _ in watcher.cell.state]
            value = self._loss(self._model(inputs))
            return value, [(each.states, each.heard, each.real) for each in self._watchers]

        return engine.gradient(run, probes)


def _sum(outputs: Any) -> Tensor:
    return sum(ops.sum(each) for each in keras.tree.flatten(outputs))


@contextlib.contextmanager
def _watching(watcher: "_Watcher") -> Iterator[None]:
    """Let the watched layer run step by step."""
    watcher.layer.run_loop = watcher.run_loop  # type: ignore[method-assign]
    try:
        yield
    finally:
        del watcher.layer.run_loop


class _Watcher:
    """Walks a layer step by step, and keeps what it sees.

    Attributes:
        layer: the layer.
        cell: its cell.
        probes: for each state, what is added to it after each step, `[batch, time, U]`; or None.
        loop: how the layer runs.
        states: each state after each step, `[batch, time, U]`.
        heard: each result of an activation at each step, `[batch, time, U]`.
        real: where a step is read, `[batch, time]`.
        first: projected inputs and state of the first step.
    """

    def __init__(self, layer: Recurrent) -> None:
        self.layer, self.cell = layer, layer.cell
        self.probes: list[Tensor] | None = None
        self.states: list[Tensor] = []
        self.heard: list[Tensor] = []
        self.real: Tensor = None
        self.loop: LoopOptions | None = None
        self.first: tuple[Tensor, list[Tensor]] | None = None

    def run_loop(
        self, loop: LoopOptions, sequences: Tensor, state: list[Tensor] | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Run the loop as `Recurrent.run_loop` does."""
        x = loop.projected(sequences)
        if state is None:
            state = self.layer.get_initial_state(ops.shape(sequences)[0])
        self.loop, self.first = loop, (x[0], state)
        mask = [] if loop.mask is None else [loop.mask]
        held = [ops.logical_not(each[..., None]) for each in mask] * len(state)
        steps = [x, *(ops.swapaxes(each, 0, 1) for each in (*held, *(self.probes or [])))]
        _, first = self._step(state, [each[0] for each in steps])
        final, kept = backend.scan(
            self._step,
            state,
            [backend.unstack(each) for each in steps],
            first,
            length=backend.length(x),
        )
        kept = [ops.swapaxes(backend.stack(each), 0, 1) for each in kept]
        self.states, self.heard = kept[: len(state)], kept[len(state) :]
        self.real = loop.mask
        if self.real is None:
            self.real = ops.ones((x.shape[1], x.shape[0]), "bool")
        return self.states[0], final

    def _step(self, state: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], Any]:
        """Take a step; `now` is x, where each state is held if there is a mask, and the probes."""
        assert self.loop is not None
        x, *others = now
        held = None if self.loop.mask is None else others[: len(state)]
        probes = [] if self.probes is None else others[-len(state) :]
        with _listening(self.cell) as results:
            state = engine.step(self.loop, x, held, state)
        if probes:
            state = [ops.add(*pair) for pair in zip(state, probes, strict=True)]
        return state, [*state, *results]

    def gate_names(self, x: Tensor, state: list[Tensor]) -> list[str | None]:
        """Return, for each result of an activation, the gate that it is, or None.

        It is the gate of which it reads the block of the inputs, if the other blocks that it reads
        are of gates known before.
        """
        assert self.loop is not None
        loop = self.loop
        names: list[str | None] = []
        for place in range(len(self.heard)):

            def run(arguments: list[Tensor], place: int = place) -> tuple[Tensor, Any]:
                with _listening(self.cell) as results:
                    engine.step(loop, arguments[0], None, state)
                return ops.sum(results[place]), ()

            _, (d_x,) = engine.gradient(run, [x])
            blocks = Gates(d_x, self.cell.gates)
            read = [gate for gate in self.cell.gates if ops.any(getattr(blocks, gate) != 0)]
            new = [gate for gate in read if gate not in names]
            names.append(new[0] if len(new) == 1 else None)
        return names


@contextlib.contextmanager
def _listening(cell: Cell) -> Iterator[list[Tensor]]:
    """List the results of the activations of `cell`, in order."""
    results: list[Tensor] = []
    known = [name for name in ("activation", "recurrent_activation") if hasattr(cell, name)]
    functions = {name: getattr(cell, name) for name in known}

    def heard(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def call(tensor: Tensor) -> Tensor:
            results.append(function(tensor))
            return results[-1]

        return call

    for name, function in functions.items():
        setattr(cell, name, heard(function))
    try:
        yield results
    finally:
        for name, function in functions.items():
            setattr(cell, name, function)
