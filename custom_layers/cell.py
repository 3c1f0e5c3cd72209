"""The contract of a cell: it names its gates and its state, and gives one step."""

import inspect
import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from custom_layers import arguments
from custom_layers.initializers import Chrono
from custom_layers.registration import Layer

Tensor = Any
Dot = Callable[[str, Tensor], Tensor]


class Product(NamedTuple):
    """A matrix that a step multiplies a state by, and the bias added to the result."""

    kernel: Tensor
    bias: Tensor | None = None


def plain_dot(products: dict[str, Product]) -> Dot:
    """Return the function that multiplies by one of `products`, by its name."""
    # A bias of rank 1 would be fused by XLA into the product of a batch of one, which slows it.
    products = {
        name: Product(kernel, None if bias is None else ops.expand_dims(bias, 0))
        for name, (kernel, bias) in products.items()
    }

    def dot(name: str, operand: Tensor) -> Tensor:
        kernel, bias = products[name]
        product = ops.matmul(operand, kernel)
        return product if bias is None else ops.add(product, bias)

    return dot


class Gates:
    """A tensor whose last axis holds one block of units for each gate, read by the gate's letter.

    `x + h` adds all blocks at once; `(x + h).f` is the block of gate `f`.
    """

    def __init__(self, tensor: Tensor, names: Sequence[str]) -> None:
        self.tensor = tensor
        self.names = tuple(names)
        self._blocks: dict[str, Tensor] = {}

    def __add__(self, other: "Gates") -> "Gates":
        return Gates(ops.add(self.tensor, other.tensor), self.names)

    def __getattr__(self, name: str) -> Tensor:
        if name not in self.__dict__["names"]:
            raise AttributeError(f"There is no gate {name!r}; the gates are {self.names}.")
        if not self._blocks:
            blocks = [self.tensor]
            if len(self.names) > 1:
                blocks = ops.split(self.tensor, len(self.names), axis=-1)
            self._blocks = dict(zip(self.names, blocks, strict=True))
        return self._blocks[name]


class Cell(Layer):
    """One time step of a recurrent layer, as equations over finished projections.

    A subclass names its `gates` (the blocks of `kernel`, `recurrent_kernel` and `bias`, in
    storage order) and its `state` (the first one is the output), and defines

        step(x, h, state) -> State

    where `x = inputs @ kernel + bias`, `h = state[0] @ recurrent_kernel`, both read by gate
    (`x.f`), and `state` is read by name (`state.c`). `step` is a pure function of its tensors and
    returns `self.State(...)`. It takes what it needs by name:

    - without `h` there is no `recurrent_kernel`;
    - with `dot` it multiplies by further matrices, `dot("candidate_kernel", v)`, which the cell
      lists in `products`;
    - weights of its own, made in `build`, are read from `self`; those that only `prepare` and
      `products` read are named in `projections`.

    Where not all gates see the state, `recurrent_gates` names the blocks of `recurrent_kernel`.
    For `Chrono`, `forget_gates` names the gates that keep the state when open, and `input_gates`
    those that replace it.

    Time, masks, dropout, gradients and export are `Recurrent`'s. A cell also works inside
    `keras.layers.RNN(cell)`.

    Symbols: F features, U units, G number of gates.

    Weights:
        kernel: `[F, G * U]`, from the inputs.
        recurrent_kernel: `[U, G * U]`, from the state.
        bias: `[G * U]`, with `use_bias`.

    Arguments are those of Keras's cells of the same name.

    Raises:
        TypeError: if the subclass lacks `gates`, `state` or `step`.
        ValueError: if `units` is not a positive integer.
    """

    gates: ClassVar[tuple[str, ...]]
    recurrent_gates: ClassVar[tuple[str, ...]]
    state: ClassVar[tuple[str, ...]]
    forget_gates: ClassVar[tuple[str, ...]] = ()
    input_gates: ClassVar[tuple[str, ...]] = ()
    projections: ClassVar[tuple[str, ...]] = ("kernel", "recurrent_kernel", "bias")
    step: ClassVar[Callable[..., Any]]
    State: ClassVar[Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("gates", "state"):
            if isinstance(vars(cls).get(name), str):
                raise TypeError(
                    f"`{name}` of {cls.__name__} must be a tuple of names, not a string: "
                    f"write ({getattr(cls, name)!r},)."
                )
        if "gates" in vars(cls) and "recurrent_gates" not in vars(cls):
            cls.recurrent_gates = cls.gates
        if "state" in vars(cls):
            cls.State = namedtuple(f"{cls.__name__}State", cls.state)  # type: ignore[misc]

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        for name in ("gates", "state", "step"):
            if not hasattr(self, name):
                raise TypeError(f"{type(self).__name__} is a Cell and must define `{name}`.")
        self.units = arguments.positive("units", units)
        self.activation = arguments.resolve("activation", activation)
        self.use_bias = use_bias
        self.kernel_initializer = arguments.resolve("initializer", kernel_initializer)
        self.recurrent_initializer = arguments.resolve("initializer", recurrent_initializer)
        self.bias_initializer = arguments.resolve("initializer", bias_initializer)
        self.kernel_regularizer = arguments.resolve("regularizer", kernel_regularizer)
        self.recurrent_regularizer = arguments.resolve("regularizer", recurrent_regularizer)
        self.bias_regularizer = arguments.resolve("regularizer", bias_regularizer)
        self.kernel_constraint = arguments.resolve("constraint", kernel_constraint)
        self.recurrent_constraint = arguments.resolve("constraint", recurrent_constraint)
        self.bias_constraint = arguments.resolve("constraint", bias_constraint)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of `input_shape`, whose last axis is the features."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.kernel_width),
            name="kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel: Any = None
        if "h" in self.step_arguments:
            self.recurrent_kernel = self.add_recurrent_weight(
                "recurrent_kernel", (self.output_size, len(self.recurrent_gates) * self.units)
            )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=self.bias_shape,
                name="bias",
                initializer=self.initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def add_recurrent_weight(self, name: str, shape: tuple[int, ...]) -> Any:
        """Create a weight that meets the state, initialised and regularised as such."""
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )

    @property
    def step_arguments(self) -> frozenset[str]:
        """What the step takes: some of x, h, state and dot."""
        return frozenset(inspect.signature(self.step).parameters)

    @property
    def kernel_width(self) -> int:
        """Width of the kernel."""
        return len(self.gates) * self.units

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of the stored bias."""
        return (len(self.gates) * self.units,)

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of `shape` that training starts from."""
        if isinstance(self.bias_initializer, Chrono):
            return self._chrono_bias(shape, dtype)
        return self.bias_initializer(shape, dtype=dtype)

    def _chrono_bias(self, shape: Sequence[int], dtype: Any) -> Tensor:
        """Give the gates that keep the state how long they do so; the same for all of a unit's."""
        if not (self.forget_gates or self.input_gates):
            raise ValueError(
                f"{type(self).__name__} has no gate that decides how long its state is kept, "
                "so Chrono is not for its bias."
            )
        log_time = self.bias_initializer((self.units,), dtype=dtype)
        signs = [(gate in self.forget_gates) - (gate in self.input_gates) for gate in self.gates]
        blocks = [log_time * sign for sign in signs]
        unused = math.prod(shape) // self.units - len(blocks)  # the second bias of GRU
        blocks += [ops.zeros_like(log_time)] * unused
        return ops.reshape(ops.concatenate(blocks), shape)

    def input_bias(self) -> Tensor | None:
        """Return the bias `[G * U]` of the input projection."""
        return self.bias

    @property
    def step_weights(self) -> list[Any]:
        """The weights that the step itself reads: all but the `projections`."""
        return [weight for weight in self.weights if weight.name not in self.projections]

    def products(self) -> dict[str, Product]:
        """Return the matrices that a step multiplies by; the first one multiplies the output."""
        if "h" not in self.step_arguments:
            return {}
        return {"recurrent_kernel": Product(self.recurrent_kernel)}

    def project(self, inputs: Tensor) -> Tensor:
        """Return x, shape `[..., G * U]`, for the inputs of one step or of all."""
        return self.prepare(ops.dot(inputs, self.kernel))

    def prepare(self, product: Tensor) -> Tensor:
        """Make x of `inputs @ kernel`: add the bias, and whatever else does not need the state."""
        bias = self.input_bias()
        return product if bias is None else ops.add(product, bias)

    def advance(
        self, x: Tensor, state: Sequence[Tensor], dot: Dot, noise: Tensor | None = None
    ) -> list[Tensor]:
        """Take one step from the projected inputs `x`, multiplying states by `dot`.

        `noise`, if given, multiplies the output before the recurrent product: recurrent dropout.
        """
        if x.shape[-1] != len(self.gates) * self.units:
            raise ValueError(
                f"{type(self).__name__} has the gates {self.gates} of {self.units} units each, "
                f"but its `prepare` returned width {x.shape[-1]}."
            )
        given: dict[str, Any] = {"x": Gates(x, self.gates), "state": self.State(*state), "dot": dot}
        if "h" in self.step_arguments:
            operand = state[0] if noise is None else ops.multiply(state[0], noise)
            recurrent = dot("recurrent_kernel", operand)
            h = Gates(recurrent, self.recurrent_gates[: recurrent.shape[-1] // self.units])
            given["h"] = h
        return self._checked(self.step(**{name: given[name] for name in self.step_arguments}))

    def _checked(self, state: Any) -> list[Tensor]:
        """Raise if a step returned anything but its state."""
        name = f"{type(self).__name__}.step"
        if not isinstance(state, self.State):
            fields = ", ".join(f"{each}=..." for each in self.state)
            raise TypeError(f"{name} must return self.State({fields}), not {state!r}.")
        for field, size, tensor in zip(self.state, self.state_size, state, strict=True):
            if not ops.is_tensor(tensor):
                raise TypeError(f"{name} must return tensors, but its {field} is {tensor!r}.")
            if tuple(tensor.shape[1:]) != (size,):
                raise ValueError(
                    f"{name} must return {field} of width {size}, not shape {tuple(tensor.shape)}: "
                    "a state is one vector for each row. For states of other shapes write a cell "
                    "for keras.layers.RNN."
                )
        return list(state)

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Take one step from `inputs` `[batch, F]`: what `keras.layers.RNN` calls."""
        dot = plain_dot(self.products())
        state = self.advance(self.project(inputs), keras.tree.flatten(states), dot)
        return state[0], state

    @property
    def state_size(self) -> list[int]:
        """Width of each state."""
        return [self.units] * len(self.state)

    @property
    def output_size(self) -> int:
        """Width of the output."""
        return self.units

    def get_initial_state(self, batch_size: Any) -> list[Tensor]:
        """Return zeros of shape `[batch_size, U]`, one tensor for each state."""
        return [ops.zeros((batch_size, size), self.compute_dtype) for size in self.state_size]

    @classmethod
    def parameters(cls) -> dict[str, inspect.Parameter]:
        """List the constructor's named parameters."""
        return arguments.parameters(cls, Cell)

    def get_config(self) -> dict[str, Any]:
        """Return every constructor argument as plain data."""
        return {**super().get_config(), **arguments.configuration(self, self.parameters())}
