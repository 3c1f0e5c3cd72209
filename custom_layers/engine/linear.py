"""Linear recurrences without a loop over time: chunks side by side, two short loops for a long one.

c_t = a_t * c_{t-1} + b_t is the same map at every step, and maps compose: over a chunk of steps it
is c -> A c + B with A the product of the a_t. So chunks of about sqrt(time) steps run side
by side to find their A and B, then the chunks one after the other to find where each begins, and
then side by side again. Every number is one that a plain loop might meet, so nothing overflows that
would not there, and a product of many decays that underflows to zero is the right answer.
"""

import math
from typing import Any

from keras import ops

from custom_layers.cell import Gates, Tensor
from custom_layers.engine import backend
from custom_layers.engine.backend import Gradient
from custom_layers.engine.loop import LoopOptions
from custom_layers.linear_cell import LinearCell, times

Complex = list[Tensor]


def run_loop(
    loop: LoopOptions, inputs: Tensor, state: list[Tensor]
) -> tuple[Tensor | None, list[Tensor]]:
    """Apply a `LinearCell` at every time step at once; arguments as in `engine.run_loop`."""
    cell: LinearCell = loop.cell
    real = None
    if loop.mask is not None:
        real = ops.expand_dims(ops.swapaxes(loop.mask, 0, 1), -1)
    initial = dict(zip(cell.state, state, strict=True))
    x = loop.projected(inputs)
    scanned = {}
    if cell.delayed:
        now, recent = cell.cut(x)
        recent = _held(recent, real, state[-1])
        x = ops.concatenate([now, _before(recent, state[-1])], axis=-1)
        scanned[cell.state[-1]] = recent
    x = Gates(x, cell.gates)
    decay, drive = cell.coefficients(x)
    if real is not None:
        one = [ops.ones_like(decay[0]), *(ops.zeros_like(each) for each in decay[1:])]
        decay = [ops.where(real, *pair) for pair in zip(decay, one, strict=True)]
        drive = [ops.where(real, each, ops.zeros_like(each)) for each in drive]
    memory = solve(decay, drive, [initial[name] for name in cell.memory])
    scanned.update(zip(cell.memory, memory, strict=True))
    if cell.state[0] not in cell.memory:
        scanned[cell.state[0]] = _held(cell.emit(x, memory), real, state[0])
    outputs = ops.swapaxes(scanned[cell.state[0]], 0, 1)
    final = [scanned[name][-1] for name in cell.state]
    return (outputs if loop.return_sequences else None), final


def _held(values: Tensor, real: Tensor | None, initial: Tensor) -> Tensor:
    """Repeat, where a step is not real, the value of the last real one: a recurrence as well."""
    if real is None:
        return values
    zeros = ops.zeros_like(values)
    held = ops.where(real, zeros, ops.ones_like(values))
    return solve([held], [ops.where(real, values, zeros)], [initial])[0]


def solve(decay: Complex, drive: Complex, initial: Complex) -> Complex:
    """Return c_t = decay_t * c_{t-1} + drive_t for all t, time-major, from c_0 = `initial`.

    Its gradient is the same recurrence from the last step to the first,

        dL/ddrive_t = dL/dc_t + conj(decay_{t+1}) * dL/ddrive_{t+1}
        dL/ddecay_t = conj(c_{t-1}) * dL/ddrive_t
    """
    parts = len(decay)

    def differentiable(arguments: Any, _: Any) -> tuple[list[Tensor], Gradient]:
        decay, drive, initial = arguments
        values = _solve(decay, drive, initial)

        def gradient(d_values: list[Tensor]) -> Any:
            later = [_after(each, ops.zeros_like(each[0])) for each in decay]
            nothing = [ops.zeros_like(each) for each in initial]
            d_drive = _solve(_conjugate(later), d_values[:parts], nothing, reverse=True)
            before = [_before(*pair) for pair in zip(values, initial, strict=True)]
            d_decay = times(_conjugate(before), d_drive)
            first = [each[0] for each in d_drive]
            d_initial = times(_conjugate([each[0] for each in decay]), first)
            return d_decay, d_drive, d_initial

        return values, gradient

    return list(backend.custom_gradient(differentiable, (decay, drive, initial), ()))


def _solve(decay: Complex, drive: Complex, initial: Complex, reverse: bool = False) -> Complex:
    steps = backend.length(drive[0])
    chunk = _root(steps)
    chunks = (steps + chunk - 1) // chunk
    one = [1.0] + [0.0] * (len(decay) - 1)
    decay = [
        _side_by_side(each, chunks, chunk, fill) for each, fill in zip(decay, one, strict=True)
    ]
    drive = [_side_by_side(each, chunks, chunk, 0.0) for each in drive]
    sequences = [backend.unstack(each) for each in [*decay, *drive]]
    parts = len(initial)

    def advance(value: Complex, now: list[Tensor]) -> Complex:
        return [ops.add(*pair) for pair in zip(times(now[:parts], value), now[parts:], strict=True)]

    def combine(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return [*times(now[:parts], carry[:parts]), *advance(carry[parts:], now)], []

    def cross(value: Complex, now: list[Tensor]) -> tuple[Complex, Complex]:
        return advance(value, now), value

    def collect(value: Complex, now: list[Tensor]) -> tuple[Complex, Complex]:
        value = advance(value, now)
        return value, value

    same = [ops.full_like(each[0], fill) for each, fill in zip(decay, one, strict=True)]
    nothing = [ops.zeros_like(each[0]) for each in drive]
    maps, _ = backend.scan(combine, [*same, *nothing], sequences, [], length=chunk, reverse=reverse)
    _, beginnings = backend.scan(
        cross,
        initial,
        [backend.unstack(each) for each in maps],
        initial,
        length=chunks,
        reverse=reverse,
    )
    starts = [backend.stack(each) for each in beginnings]
    _, values = backend.scan(collect, starts, sequences, nothing, length=chunk, reverse=reverse)
    return [_one_after_the_other(backend.stack(each), steps) for each in values]


def _root(steps: Any) -> Any:
    """Return about the square root of a number of steps, at least 1."""
    if isinstance(steps, int):
        return max(1, math.isqrt(steps))
    return ops.maximum(1, ops.cast(ops.sqrt(ops.cast(steps, "float32")), "int32"))


def _side_by_side(tensor: Tensor, chunks: Any, chunk: Any, fill: float) -> Tensor:
    """Cut `[time, batch, units]` into `[chunk, chunks, batch, units]`, filled up at the end."""
    steps, batch, units = ops.shape(tensor)
    rest = ops.full((chunks * chunk - steps, batch, units), fill, tensor.dtype)
    whole = ops.concatenate([tensor, rest], axis=0)
    return ops.swapaxes(ops.reshape(whole, (chunks, chunk, batch, units)), 0, 1)


def _one_after_the_other(tensor: Tensor, steps: Any) -> Tensor:
    """Undo `_side_by_side`."""
    chunk, chunks, batch, units = ops.shape(tensor)
    whole = ops.reshape(ops.swapaxes(tensor, 0, 1), (chunk * chunks, batch, units))
    return whole[:steps]


def _before(tensor: Tensor, first: Tensor) -> Tensor:
    """Return, for each step, what a time-major tensor holds at the step before."""
    return ops.concatenate([first[None], tensor[:-1]], axis=0)


def _after(tensor: Tensor, last: Tensor) -> Tensor:
    """Return, for each step, what a time-major tensor holds at the step after."""
    return ops.concatenate([tensor[1:], last[None]], axis=0)


def _conjugate(value: Complex) -> Complex:
    return [value[0], *(-each for each in value[1:])]
