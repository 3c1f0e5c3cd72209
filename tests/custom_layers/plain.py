"""A recurrent layer in NumPy, with all its options, and back-propagation by finite differences."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.custom_layers.table import Array, State, Step, Weights

EPSILON = 1e-6


@dataclass(frozen=True)
class Draws:
    """What was drawn for one call; None where there was nothing to draw.

    Attributes:
        dropout: `[batch, 1, features]`, multiplies the inputs.
        recurrent_dropout: `[batch, units]`, multiplies the output where it meets its matrix.
        zoneout: for each state, `[batch, time, units]`, True where it stays; in order of walking.
    """

    dropout: Array | None = None
    recurrent_dropout: Array | None = None
    zoneout: list[Array] | None = None


def run_loop(
    step: Step,
    weights: Weights,
    x: Array,
    state: State,
    mask: Array | None = None,
    draws: Draws = Draws(),
    *,
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    zoneout: float = 0.0,
    truncate: int | None = None,
    clip_state_gradient: float | None = None,
    direction: tuple[Weights, Array, State] | None = None,
) -> tuple[list[Array], State, float]:
    """Walk over `x` and back.

    Args:
        step: the equations.
        weights: of the layer.
        x: inputs `[batch, time, features]`.
        state: to begin with.
        mask: booleans `[batch, time]`.
        draws: what was drawn in training; without them nothing is dropped, and zoneout is its
            expectation.
        return_sequences: this and all others as in `Recurrent`.
        direction: changes of weights, inputs and state.

    Returns:
        The output and, if wanted, the final states; the final states; and the slope along
        `direction` of the sum of sin(each + its place) over the first of these, as back-propagation
        through time gives it, or zero without a `direction`.
    """
    assert (draws.dropout is not None) <= (dropout > 0)
    assert (draws.recurrent_dropout is not None) <= (recurrent_dropout > 0)
    real = np.ones(x.shape[:2], bool) if mask is None else mask
    if draws.dropout is not None:
        x = x * draws.dropout
    if go_backwards:
        x, real = x[:, ::-1], real[:, ::-1]

    def stepped(time: int, weights: Weights, x: Array, state: State) -> State:
        x = np.where(real[:, time, None], x, 0)
        new = (
            step(x, state, weights)
            if draws.recurrent_dropout is None
            else _with_noise(step, x, state, weights, draws.recurrent_dropout)
        )
        if draws.zoneout is not None:
            kept = [each[:, time] for each in draws.zoneout]
            new = tuple(np.where(k, o, n) for k, o, n in zip(kept, state, new, strict=True))
        else:
            new = tuple(zoneout * o + (1 - zoneout) * n for o, n in zip(state, new, strict=True))
        return tuple(np.where(real[:, time, None], n, o) for n, o in zip(new, state, strict=True))

    steps = range(x.shape[1])
    states = [state]
    for time in steps:
        states.append(stepped(time, weights, x[:, time], states[-1]))
    begun = real if zero_output_for_mask else np.cumsum(real, axis=1) > 0
    outputs = np.stack([each[0] for each in states[1:]], axis=1) * begun[..., None]
    results = [outputs if return_sequences else outputs[:, -1]]
    results += states[-1] if return_state else []
    if direction is None:
        return results, states[-1], 0.0

    d_weights, d_x, d_state = direction
    d_x = d_x if draws.dropout is None else d_x * draws.dropout
    d_x = d_x[:, ::-1] if go_backwards else d_x
    # Back-propagation: of each step the Jacobian, which is of one row alone.
    d_results = [np.cos(each + place) for place, each in enumerate(results)]
    d_outputs = np.zeros_like(outputs)
    d_outputs[:, slice(None) if return_sequences else -1] = d_results[0]
    d_outputs *= begun[..., None]
    d_states = d_results[1:] if return_state else [np.zeros_like(each) for each in state]
    slope = 0.0
    for time in reversed(steps):
        d_states = [d_states[0] + d_outputs[:, time], *d_states[1:]]

        def along(changed: Any, d_states: list[Array] = d_states) -> Array:
            """Return, for each row, the slope of what follows along a change of one step."""
            up, down = changed(EPSILON), changed(-EPSILON)
            pairs = zip(d_states, up, down, strict=True)
            return sum(np.sum(d * (u - v), axis=-1) for d, u, v in pairs) / (2 * EPSILON)

        before, now = states[time], x[:, time]
        slope += along(
            lambda e, time=time, before=before, now=now: stepped(
                time, _moved(weights, d_weights, e), now + e * d_x[:, time], before
            )
        ).sum()
        d_states = [
            np.stack(
                [
                    along(
                        lambda e, k=k, unit=unit, time=time, before=before, now=now: stepped(
                            time, weights, now, _nudged(before, k, unit, e)
                        )
                    )
                    for unit in range(before[k].shape[-1])
                ],
                axis=-1,
            )
            for k in range(len(state))
        ]
        if truncate is not None and time % truncate == 0:
            d_states = [np.zeros_like(each) for each in d_states]
        if clip_state_gradient is not None:
            norms = [np.linalg.norm(each, axis=-1, keepdims=True) for each in d_states]
            d_states = [
                each * np.minimum(1, clip_state_gradient / np.maximum(norm, 1e-30))
                for each, norm in zip(d_states, norms, strict=True)
            ]
    slope += sum(float(np.sum(d * c)) for d, c in zip(d_states, d_state, strict=True))
    return results, states[-1], slope


def _with_noise(step: Step, x: Array, state: State, weights: Weights, noise: Array) -> State:
    """Take a step whose recurrent kernel each row has for its own, times the row's noise."""
    rows = [
        step(
            x[row : row + 1],
            tuple(each[row : row + 1] for each in state),
            SimpleNamespace(
                **{
                    **vars(weights),
                    "recurrent_kernel": noise[row][:, None] * weights.recurrent_kernel,
                }
            ),
        )
        for row in range(len(x))
    ]
    return tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))


def _moved(weights: Weights, changes: Weights, size: float) -> Weights:
    return SimpleNamespace(
        **{name: value + size * getattr(changes, name) for name, value in vars(weights).items()}
    )


def _nudged(state: State, place: int, unit: int, size: float) -> State:
    nudged = [each.copy() for each in state]
    nudged[place][:, unit] += size
    return tuple(nudged)
