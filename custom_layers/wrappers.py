"""Layers made of layers: both directions, and one upon the other."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from custom_layers import arguments, engine
from custom_layers.cell import Cell, Tensor
from custom_layers.recurrent import Recurrent
from custom_layers.registration import Layer

_MERGED = {
    "concat": lambda one, other: ops.concatenate([one, other], axis=-1),
    "sum": ops.add,
    "ave": lambda one, other: (one + other) / 2,
    "mul": ops.multiply,
    None: lambda one, other: (one, other),
}


class Bidirectional(Layer):
    """Walk a sequence from both ends, with weights of their own for each direction.

        forward_t  = step(x_t, forward_{t-1})
        backward_t = step(x_t, backward_{t+1})
        output_t   = [forward_t, backward_t]                with `merge_mode="concat"`

    The inputs meet the kernels of both directions in one matrix product.

    Shapes: inputs `[batch, time, F]`; mask `[batch, time]`, True = real; output `[batch, 2 U]`,
    that of the last step of either direction, or `[batch, time, 2 U]` with `return_sequences`;
    with `sum`, `mul` and `ave` U instead of 2 U, with None a pair. With `return_state` the states
    of the forward layer follow, then those of the backward layer; `initial_state` is in that order.
    At masked steps the output is zero, as in `keras.layers.Bidirectional`.

    Arguments:
        layer: a `Recurrent`, such as `LSTM(64, return_sequences=True)`: the forward layer. The
            backward layer is made from its config.
        merge_mode: "concat", "sum", "mul", "ave" or None.

    Raises:
        TypeError: if `layer` is not a `Recurrent`.
        ValueError: if `merge_mode` is another, or `layer` goes backwards.

    Reference: Schuster & Paliwal, 1997, "Bidirectional recurrent neural networks".
    """

    nested: ClassVar[tuple[str, ...]] = ("layer",)

    def __init__(self, layer: Recurrent, merge_mode: str | None = "concat", **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(layer, Recurrent):
            raise TypeError(
                f"`layer` must be a custom_layers.Recurrent, not {layer!r}. "
                "For any other layer use keras.layers.Bidirectional."
            )
        if layer.go_backwards:
            raise ValueError("`layer` must go forwards; the backward layer is made from it.")
        if merge_mode not in _MERGED:
            raise ValueError(f"`merge_mode` must be one of {[*_MERGED]}, not {merge_mode!r}.")
        # Where one direction has begun and the other not yet, repeating would be misleading.
        layer.zero_output_for_mask = layer.return_sequences
        self.forward_layer = layer
        self.backward_layer = layer.variant(name=f"{layer.name}_backward", go_backwards=True)
        self.merge_mode = merge_mode
        self.supports_masking = True
        self.supports_jit = layer.supports_jit

    def build(self, sequences_shape: Sequence[Any], initial_state_shape: Any = None) -> None:
        """Create the weights of both directions."""
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        self.built = True

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Walk both ways over `sequences` `[batch, time, F]`."""
        layers = (self.forward_layer, self.backward_layer)
        states = [None, None] if initial_state is None else self._halves(initial_state)
        results = [
            layer(sequences, initial_state=state, mask=mask, training=training, product=product)
            for layer, state, product in zip(
                layers, states, self._products(sequences, mask, training), strict=True
            )
        ]
        outputs, final = zip(*(self._split(result) for result in results), strict=True)
        forward, backward = outputs
        if self.forward_layer.return_sequences:
            backward = ops.flip(backward, axis=1)
        merged = _MERGED[self.merge_mode](forward, backward)
        if not self.forward_layer.return_state:
            return merged
        merged = merged if isinstance(merged, tuple) else (merged,)
        return (*merged, *final[0], *final[1])

    def _products(self, sequences: Tensor, mask: Tensor | None, training: bool) -> list[Any]:
        """Return the inputs times the kernel of either direction, from one product."""
        if training and self.forward_layer.dropout:
            return [None, None]  # each direction drops inputs of its own
        kernels = [each.cell.kernel for each in (self.forward_layer, self.backward_layer)]
        mask = None if mask is None else ops.cast(mask, "bool")
        inputs = engine.without_padding(sequences, mask)
        return ops.split(ops.dot(inputs, ops.concatenate(kernels, axis=-1)), 2, axis=-1)

    def _split(self, result: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        if not self.forward_layer.return_state:
            return result, ()
        output, *state = result
        return output, tuple(state)

    def _halves(self, initial_state: Any) -> list[list[Tensor]]:
        given = keras.tree.flatten(initial_state)
        count = len(self.forward_layer.cell.state)
        if len(given) != 2 * count:
            raise ValueError(
                f"`{self.name}` has the states {self.forward_layer.cell.state} in each direction, "
                f"but `initial_state` holds {len(given)} tensors instead of {2 * count}."
            )
        return [given[:count], given[count:]]

    def reset_state(self) -> None:
        """Forget the states kept by `stateful`."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Return the mask of the outputs: that of the inputs with `return_sequences`."""
        mask = keras.tree.flatten(mask)[0] if self.forward_layer.return_sequences else None
        masks = [mask, mask] if self.merge_mode is None else [mask]
        if self.forward_layer.return_state:
            masks += [None] * (2 * len(self.forward_layer.cell.state))
        return masks if len(masks) > 1 else mask

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Return the shape of the output, and those of the states with `return_state`."""
        result = self.forward_layer.compute_output_shape(sequences_shape)
        output, *states = result if self.forward_layer.return_state else [result]
        width = 2 if self.merge_mode == "concat" else 1
        output = (*output[:-1], width * output[-1])
        shapes = [output, output] if self.merge_mode is None else [output]
        shapes += [*states, *states]
        return tuple(shapes) if len(shapes) > 1 else output

    def get_config(self) -> dict[str, Any]:
        """Return every constructor argument as plain data."""
        layer = keras.saving.serialize_keras_object(self.forward_layer)
        return {**super().get_config(), "layer": layer, "merge_mode": self.merge_mode}


class Stack(Layer):
    """One recurrent layer upon the other.

        y^0_t = x_t
        y^l_t = layer^l(norm(y^{l-1}))_t + y^{l-1}_t        + only with `residual`

    Walking one layer to its end and then the next gives what a stack of cells gives step by step,
    and lets each layer have its input projection as one product.

    Shapes: inputs `[batch, time, F]`; mask `[batch, time]`, True = real; output `[batch, U]` of the
    last layer at the last real step, or `[batch, time, U]` with `return_sequences`, zero at masked
    steps; with `return_state` the states of all layers follow, the first layer's first;
    `initial_state` is in that order.

    Arguments:
        layers: cells or `Recurrent` layers, at least one. What they return is the stack's affair.
        residual: add the input of each layer to its output where their widths agree.
        layer_norm: normalise the input of each layer (Xiong et al., 2020, "On layer normalization
            in the transformer architecture": before, not after).
        return_sequences: return the output of every step instead of the last.
        return_state: return the final states too.

    Raises:
        TypeError: if one of `layers` is neither a `Cell` nor a `Recurrent`.
        ValueError: if `layers` is empty, or one of them goes backwards.
    """

    nested: ClassVar[tuple[str, ...]] = ("layers",)

    def __init__(
        self,
        layers: Sequence[Any],
        residual: bool = False,
        layer_norm: bool = False,
        return_sequences: bool = False,
        return_state: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not layers:
            raise ValueError("`layers` must hold at least one cell or layer.")
        self.layers = [_walking(each) for each in layers]
        self.residual = residual
        self.layer_norm = layer_norm
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.norms = [keras.layers.LayerNormalization() for _ in layers if layer_norm]
        self.supports_masking = True
        self.supports_jit = all(layer.supports_jit for layer in self.layers)

    def build(self, sequences_shape: Sequence[Any], initial_state_shape: Any = None) -> None:
        """Create the weights of all layers."""
        shape = tuple(sequences_shape)
        for number, layer in enumerate(self.layers):
            if self.layer_norm:
                self.norms[number].build(shape)
            if not layer.built:
                layer.build(shape)
            shape = (*shape[:-1], layer.cell.output_size)
        self.built = True

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Walk all layers over `sequences` `[batch, time, F]`."""
        states = self._states(initial_state)
        final: list[Tensor] = []
        mask = None if mask is None else ops.cast(mask, "bool")
        sequences = engine.without_padding(sequences, mask)
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            inputs = self.norms[number](sequences) if self.layer_norm else sequences
            output, *state = layer(inputs, initial_state=state, mask=mask, training=training)
            final += state
            if self.residual and output.shape[-1] == sequences.shape[-1]:
                output = output + sequences
            sequences = engine.without_padding(output, mask)
        output = sequences if self.return_sequences else _last(sequences, mask)
        return (output, *final) if self.return_state else output

    def _states(self, initial_state: Any) -> list[Any]:
        if initial_state is None:
            return [None] * len(self.layers)
        given = keras.tree.flatten(initial_state)
        counts = [len(layer.cell.state) for layer in self.layers]
        if len(given) != sum(counts):
            raise ValueError(
                f"`{self.name}` has {sum(counts)} states, "
                f"but `initial_state` holds {len(given)} tensors."
            )
        ends = [sum(counts[: number + 1]) for number in range(len(counts))]
        return [given[end - count : end] for end, count in zip(ends, counts, strict=True)]

    def reset_state(self) -> None:
        """Forget the states kept by `stateful`."""
        for layer in self.layers:
            layer.reset_state()

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Return the mask of the outputs: that of the inputs with `return_sequences`."""
        mask = keras.tree.flatten(mask)[0] if self.return_sequences else None
        states = [None for layer in self.layers for _ in layer.cell.state]
        return [mask, *states] if self.return_state else mask

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Return the shape of the output, and those of the states with `return_state`."""
        batch, time, _ = sequences_shape
        width = self.layers[-1].cell.output_size
        output = (batch, time, width) if self.return_sequences else (batch, width)
        sizes = [size for layer in self.layers for size in layer.cell.state_size]
        return (output, *((batch, size) for size in sizes)) if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        """Return every constructor argument as plain data."""
        names = [name for name in arguments.parameters(type(self), Stack) if name != "layers"]
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {
            **super().get_config(),
            "layers": layers,
            **arguments.configuration(self, names),
        }


def _walking(layer: Any) -> Recurrent:
    """Make a layer of a cell, and let it hand out all it has."""
    if isinstance(layer, Cell):
        return Recurrent(layer, return_sequences=True, return_state=True)
    if not isinstance(layer, Recurrent):
        raise TypeError(f"`layers` must be of custom_layers.Cell or Recurrent, not {layer!r}.")
    if layer.go_backwards:
        raise ValueError(f"`{layer.name}` goes backwards, which a layer of a stack cannot.")
    return layer.variant(return_sequences=True, return_state=True)


def _last(sequences: Tensor, mask: Tensor | None) -> Tensor:
    """Return what stands at the last real step of each row."""
    if mask is None:
        return sequences[:, -1]
    steps = ops.arange(ops.shape(sequences)[1])
    place = ops.max(ops.where(mask, steps, 0), axis=1)
    return ops.squeeze(ops.take_along_axis(sequences, place[:, None, None], axis=1), 1)
