"""A cell plus time."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from custom_layers import arguments, engine
from custom_layers.cell import Cell, Tensor
from custom_layers.registration import Layer


class Recurrent(Layer):
    """Apply a cell at every step of a sequence.

        state_t = step(x_t, h_{t-1}, state_{t-1})     where the mask is True
        state_t = state_{t-1}                         elsewhere

    with the same weights at every step. The input projection of all steps is one matrix product
    before the loop, and the weight gradient one after it.

    Shapes: inputs `[batch, time, F]`; mask `[batch, time]`, True = real, anywhere; each state
    `[batch, U]`; output `[batch, U]`, or `[batch, time, U]` with `return_sequences`. At a masked
    step the output is that of the last real step, or zero if there was none.

    Arguments:
        cell: a `Cell`.
        dropout: fraction of the inputs to drop, the same at every step of a sequence
            (Gal & Ghahramani, 2016, "A theoretically grounded application of dropout").
        recurrent_dropout: fraction of the output to drop before each recurrent product, the same
            at every step of a sequence, and for all gates.
        seed: of dropouts and zoneout.
        return_sequences: return the output of every step instead of the last.
        return_state: return the final states too.
        go_backwards: run from the last step to the first; outputs are in that order.
        stateful: begin where the previous batch ended, until `reset_state()`.
        unroll: write the steps out instead of looping; needs a static time axis.
        zero_output_for_mask: output zero at masked steps.
        use_cudnn: "auto" or True: cuDNN where a GPU has it and it computes the same; False: never.
        zoneout: fraction of each state that stays as it was, drawn anew at each step in training,
            in expectation otherwise (Krueger et al., 2017, "Zoneout").
        truncate: cut the gradient after every so many steps: truncated back-propagation through
            time. Takes effect with `training=True`, as `clip_state_gradient` does.
        clip_state_gradient: largest norm of an example's dL/dstate at every step of the way back:
            exploding gradients are clipped where they explode.

    Raises:
        TypeError: if `cell` is not a `Cell`.
        ValueError: if a fraction is not in [0, 1) or a limit not above 0, if `unroll` meets an
            unknown number of steps, if `stateful` meets an unknown or another batch size.
    """

    nested: ClassVar[tuple[str, ...]] = ("cell",)

    def __init__(
        self,
        cell: Cell,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        use_cudnn: Any = "auto",
        zoneout: float = 0.0,
        truncate: int | None = None,
        clip_state_gradient: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not isinstance(cell, Cell):
            raise TypeError(
                f"`cell` must be a custom_layers.Cell, not {cell!r}. "
                "For any other Keras cell use keras.layers.RNN(cell)."
            )
        rates = {"dropout": dropout, "recurrent_dropout": recurrent_dropout, "zoneout": zoneout}
        for name, rate in rates.items():
            if not 0 <= rate < 1:
                raise ValueError(f"`{name}` must be at least 0 and below 1, not {rate!r}.")
        if recurrent_dropout and "h" not in cell.step_arguments:
            raise ValueError(
                f"`recurrent_dropout` is for cells that multiply the state by a matrix; "
                f"{type(cell).__name__} does not: use `zoneout`."
            )
        limits = {"truncate": truncate, "clip_state_gradient": clip_state_gradient}
        for name, limit in limits.items():
            if limit is not None and limit <= 0:
                raise ValueError(f"`{name}` must be None or above 0, not {limit!r}.")
        if use_cudnn not in ("auto", True, False):
            raise ValueError(f'`use_cudnn` must be "auto", True or False, not {use_cudnn!r}.')
        self.cell = cell
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.zoneout = zoneout
        self.truncate = truncate
        self.clip_state_gradient = clip_state_gradient
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.use_cudnn = use_cudnn
        self.states: list[Any] | None = None
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True
        self.supports_jit = not (use_cudnn and engine.native(cell))

    def build(self, sequences_shape: Sequence[Any], initial_state_shape: Any = None) -> None:
        """Create the cell's weights, and with `stateful` the states of a batch."""
        batch, time, features = sequences_shape
        if self.unroll and time is None:
            raise ValueError(
                f"`{self.name}` has unroll=True and so needs a fixed number of time steps, "
                f"but its inputs have shape {tuple(sequences_shape)}."
            )
        if not self.cell.built:
            self.cell.build((batch, features))
        if self.stateful:
            if batch is None:
                raise ValueError(
                    f"`{self.name}` is stateful and so needs a fixed batch size, but its inputs "
                    f"have shape {tuple(sequences_shape)}: give keras.Input(batch_shape=...)."
                )
            self.states = [
                self.add_weight(
                    shape=(batch, size), initializer="zeros", trainable=False, name=name
                )
                for name, size in zip(self.cell.state, self.cell.state_size, strict=True)
            ]
        self.built = True

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
        product: Tensor | None = None,
    ) -> Any:
        """Walk the cell over `sequences` `[batch, time, F]`.

        Whoever has `product = sequences @ kernel` already may hand it over.
        """
        batch = ops.shape(sequences)[0]
        initial_state = self._initial_state(initial_state, sequences.shape[0])
        noise = None
        if training and self.dropout:
            sequences = sequences * self._noise((batch, 1, sequences.shape[-1]), self.dropout)
        if training and self.recurrent_dropout:
            noise = self._noise((batch, self.cell.output_size), self.recurrent_dropout)
        if mask is not None:
            mask = ops.cast(mask, "bool")
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
            product = None if product is None else ops.flip(product, axis=1)

        loop = engine.LoopOptions(
            self.cell,
            mask=mask,
            noise=noise,
            zoneout=self.zoneout,
            held=self._held(sequences) if training and self.zoneout else None,
            training=training,
            truncate=self.truncate,
            clip=self.clip_state_gradient,
            unroll=self.unroll,
            return_sequences=self.return_sequences,
            product=product,
            use_cudnn=self.use_cudnn,
        )
        outputs, state = self.run_loop(loop, sequences, initial_state)
        if self.stateful and self.states is not None:
            for variable, tensor in zip(self.states, state, strict=True):
                variable.assign(tensor)
        output = outputs if self.return_sequences else state[0]
        if mask is not None and (self.zero_output_for_mask or initial_state is not None):
            output = self._visible(output, mask)
        return (output, *state) if self.return_state else output

    def run_loop(
        self, loop: engine.LoopOptions, sequences: Tensor, state: list[Tensor] | None
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Return the first state after every step, if it is wanted, and the final states.

        Without a `state` to begin with it is zero. An exporter puts its own operator here.
        """
        if state is None:
            state = self.get_initial_state(ops.shape(sequences)[0])
        return engine.run_loop(loop, sequences, state)

    def _initial_state(self, given: Any, known_batch: int | None) -> list[Tensor] | None:
        if given is None and self.stateful and self.states is not None:
            expected = self.states[0].shape[0]
            if known_batch not in (None, expected):
                raise ValueError(
                    f"`{self.name}` is stateful with batch size {expected}, "
                    f"but its inputs have batch size {known_batch}."
                )
            given = self.states
        if given is None:
            return None
        given = keras.tree.flatten(given)
        if len(given) != len(self.cell.state):
            raise ValueError(
                f"`{self.name}` has the states {self.cell.state}, "
                f"but `initial_state` holds {len(given)} tensors."
            )
        return [ops.convert_to_tensor(tensor, self.compute_dtype) for tensor in given]

    def _noise(self, shape: Sequence[Any], rate: float) -> Tensor:
        ones = ops.ones(shape, self.compute_dtype)
        return keras.random.dropout(ones, rate, seed=self.seed_generator)

    def _held(self, sequences: Tensor) -> list[Tensor]:
        """Draw, for each state, where it stays as it was."""
        batch, time, _ = ops.shape(sequences)
        return [
            keras.random.uniform((batch, time, size), seed=self.seed_generator) < self.zoneout
            for size in self.cell.state_size
        ]

    def _visible(self, output: Tensor, mask: Tensor) -> Tensor:
        """Put zero where there is nothing to show: before the first real step, or where masked."""
        shown = mask if self.zero_output_for_mask else ops.cumsum(ops.cast(mask, "int32"), 1) > 0
        shown = shown if self.return_sequences else shown[:, -1]
        return ops.where(ops.expand_dims(shown, -1), output, ops.zeros_like(output))

    def get_initial_state(self, batch_size: Any) -> list[Tensor]:
        """Return the states that a sequence begins with: zeros, `[batch_size, U]` each."""
        return self.cell.get_initial_state(batch_size)

    def reset_state(self) -> None:
        """Forget the states kept by `stateful`."""
        for variable in self.states or []:
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Return the mask of the outputs: that of the inputs with `return_sequences`."""
        mask = keras.tree.flatten(mask)[0] if self.return_sequences else None
        return [mask, *(None for _ in self.cell.state)] if self.return_state else mask

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Return the shape of the output, and those of the states with `return_state`."""
        batch, time, _ = sequences_shape
        size = self.cell.output_size
        output = (batch, time, size) if self.return_sequences else (batch, size)
        states = ((batch, size) for size in self.cell.state_size)
        return (output, *states) if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        """Return every constructor argument as plain data."""
        names = [name for name in arguments.parameters(type(self), Recurrent) if name != "cell"]
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            **arguments.configuration(self, names),
        }

    def variant(self, **changes: Any) -> "Recurrent":
        """Return a layer of the same cell and arguments but for `changes`, with its own weights."""
        cell = type(self.cell)  # itself, also if another of its name was defined since
        with keras.saving.CustomObjectScope({keras.saving.get_registered_name(cell): cell}):
            return type(self).from_config({**self.get_config(), **changes})
