"""Any two options together, against a loop in NumPy that has them all."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import pytest

import custom_layers
from custom_layers import Bidirectional, Stack
from custom_layers.engine import backend
from tests.custom_layers import plain
from tests.custom_layers.gradients import BACKEND, arrays
from tests.custom_layers.pairwise import pairwise
from tests.custom_layers.plain import Draws
from tests.custom_layers.table import (
    CASES,
    REPRESENTATIVES,
    Array,
    State,
    Weights,
    weights_of,
)
from tests.custom_layers.test_conformance import (
    BATCH,
    FEATURES,
    MASKS,
    TIME,
    UNITS,
    assert_all_close,
    inputs,
    outputs_and_gradients,
    randomize,
    states,
)

# Where the states come from that a sequence begins with.
BEGINNINGS = ["zeros", "given", "kept", "given, not kept", "kept, but reset"]

SWITCHES: dict[str, Sequence[Any]] = {
    "return_sequences": [True, False],
    "return_state": [True, False],
    "dropout": [0.0, 0.4],
    "recurrent_dropout": [0.0, 0.4],
    "zoneout": [0.3, 0.0],
}

OPTIONS: dict[str, Sequence[Any]] = {
    **SWITCHES,
    "go_backwards": [False, True],
    "zero_output_for_mask": [False, True],
    "unroll": [False, True],
    "truncate": [None, 3],
    "clip_state_gradient": [None, 0.1],
}


def named(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return an identifier for each row: what differs from its factors' usual values."""
    return [
        "-".join(
            f"{name}={value}" if name in OPTIONS else str(value)
            for name, value in row.items()
            if value not in (False, 0.0, None, "none", "zeros")
        )
        for row in rows
    ]


def draw(layer: custom_layers.Recurrent, features: int = FEATURES) -> Draws:
    """Return what the layer is going to draw at its next call in training, and check it."""
    seen = []

    def watched(loop: Any, sequences: Any, state: Any) -> Any:
        drawn = {"noise": loop.noise, "held": loop.held, "dropped": sequences}
        seen.append(arrays({name: each for name, each in drawn.items() if each is not None}))
        state = state or layer.get_initial_state(BATCH)
        return keras.ops.zeros((BATCH, TIME, layer.cell.output_size)), state

    begin = arrays(layer.seed_generator.state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer, "run_loop", watched)
        layer(np.ones((BATCH, TIME, features), "float32"), training=True)
    layer.seed_generator.state.assign(begin)
    noise, held, dropped = (seen[0].get(name) for name in ("noise", "held", "dropped"))
    if layer.dropout:
        assert_drawn(dropped[:, 0], {0.0, np.float32(1 / (1 - layer.dropout))})
        assert (dropped == dropped[:, :1]).all()
    if layer.recurrent_dropout:
        assert noise.shape == (BATCH, layer.cell.output_size)
        assert_drawn(noise, {0.0, np.float32(1 / (1 - layer.recurrent_dropout))})
    for each in held or []:
        assert_drawn(each.reshape(BATCH, -1), {False, True})
        assert any((each[:, time] != each[:, 0]).any() for time in range(1, TIME))
        assert (each[..., :1] != each).any()
    return Draws(dropped[:, :1] if layer.dropout else None, noise, held)


def assert_drawn(values: Array, possible: set[Any]) -> None:
    """Check that the rows of `values` were drawn each for itself, from what is possible."""
    assert set(np.unique(values)) <= possible
    assert (values != values[:1]).any()


def kept(layer: custom_layers.Recurrent) -> list[Any]:
    """Return the states that a stateful layer keeps."""
    assert layer.states is not None
    return layer.states


def begin(layer: Any, parts: Sequence[custom_layers.Recurrent], how: str) -> list[State]:
    """Bring `layer`, made of `parts`, to where its sequence begins; return the states there."""
    if how in ("kept", "given, not kept", "kept, but reset"):
        layer(inputs()[:, ::-1])
        assert all(arrays(each).any() for part in parts for each in kept(part))
    if how == "kept":
        return [tuple(arrays(kept(part))) for part in parts]
    if how == "kept, but reset":
        layer.reset_state()
    if how in ("given", "given, not kept"):
        return [tuple(states(part)) for part in parts]
    return [tuple(arrays(part.get_initial_state(BATCH))) for part in parts]


def assert_described(layer: keras.layers.Layer, found: list[Array], mask: Array | None) -> None:
    """Check that the layer tells shapes and masks of its outputs beforehand."""
    shapes = layer.compute_output_shape((BATCH, TIME, FEATURES))
    assert ([shapes] if isinstance(shapes[0], int) else list(shapes)) == [
        each.shape for each in found
    ]
    masks = layer.compute_mask(inputs(), mask)
    for each, told in zip(found, masks if isinstance(masks, list) else [masks], strict=True):
        assert told is (mask if each.ndim == 3 else None)


def with_possible(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """Leave recurrent dropout out where no matrix multiplies the state."""
    possible = all(CASES[name].has_product for name in names)
    return row if possible else {**row, "recurrent_dropout": 0.0}


def test_every_option_of_the_layer_is_varied() -> None:
    options = set(inspect.signature(custom_layers.Recurrent).parameters) - {"cell", "options"}
    assert options == {*OPTIONS, "stateful", "seed", "use_cudnn"}
    with pytest.raises(AssertionError):
        assert_drawn(np.ones((BATCH, TIME)), {1.0})


LAYERS = pairwise(
    {
        "name": list(REPRESENTATIVES),
        "mask": list(MASKS),
        "begin": BEGINNINGS,
        "training": ["training", "inference"],
        "halves": ["", "halves"],
        "hoisted": ["", "hoisted"],
        **OPTIONS,
    }
)


@pytest.mark.parametrize("row", LAYERS, ids=named(LAYERS))
def test_two_options_of_a_layer_follow_the_plain_loop(
    row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = with_possible(row, row["name"])
    monkeypatch.setattr(backend, "prefers_halves", lambda batch, weights: bool(row["halves"]))
    monkeypatch.setattr(backend, "prefers_hoisting", lambda: bool(row["hoisted"]))
    case, mask, training = CASES[row["name"]], MASKS[row["mask"]], row["training"] == "training"
    options = {name: row[name] for name in OPTIONS}
    stateful = row["begin"] not in ("zeros", "given")
    layer = case.make(UNITS, stateful=stateful, seed=7, **options)
    layer.build((BATCH, TIME, FEATURES))
    randomize(layer)
    draws = draw(layer) if training else Draws()
    layer.reset_state()
    (state,) = begin(layer, [layer], row["begin"])

    given = list(state) if row["begin"].startswith("given") else None
    found = outputs_and_gradients(layer, inputs(), given, mask, training)
    outputs, gradients = (
        found[: 1 + len(state) * row["return_state"]],
        found[1 + len(state) * row["return_state"] :],
    )
    changes = [np.random.default_rng(k).normal(size=d.shape) for k, d in enumerate(gradients)]
    slope = sum(float(np.sum(d * change)) for d, change in zip(gradients, changes, strict=True))

    del options["unroll"]
    if not training:
        options["truncate"] = options["clip_state_gradient"] = None
    weights = weights_of(layer)
    d_x, *others = changes
    names = [each.name for each in layer.trainable_variables]
    d_weights = Weights(**dict(zip(names, others[-len(names) :], strict=True)))
    d_state = tuple(others[: -len(names)]) or tuple(np.zeros_like(each) for each in state)
    expected, final, expected_slope = plain.run_loop(
        case.step(),
        weights,
        inputs().astype("float64"),
        tuple(each.astype("float64") for each in state),
        mask,
        draws,
        direction=(d_weights, d_x, d_state),
        **options,
    )
    assert_all_close(outputs, expected)
    assert_described(layer, outputs, mask)
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-3, atol=1e-3)
    if stateful and BACKEND != "jax":  # whose gradient is that of a call that changes nothing
        assert_all_close(arrays(kept(layer)), list(final))


BOTH = pairwise(
    {
        "name": ["LSTM", "GRU", "QRNN"],
        "mask": list(MASKS),
        "begin": BEGINNINGS,
        "training": ["training", "inference"],
        "merge_mode": ["concat", "sum", "mul", "ave", None],
        **SWITCHES,
    }
)

MERGED: dict[str | None, Callable[[Array, Array], list[Array]]] = {
    "concat": lambda a, b: [np.concatenate([a, b], axis=-1)],
    "sum": lambda a, b: [a + b],
    "mul": lambda a, b: [a * b],
    "ave": lambda a, b: [(a + b) / 2],
    None: lambda a, b: [a, b],
}


@pytest.mark.parametrize("row", BOTH, ids=named(BOTH))
def test_two_options_of_both_directions_follow_the_plain_loops(row: dict[str, Any]) -> None:
    row = with_possible(row, row["name"])
    case, mask, training = CASES[row["name"]], MASKS[row["mask"]], row["training"] == "training"
    options = {name: row[name] for name in SWITCHES}
    stateful = row["begin"] not in ("zeros", "given")
    one = case.make(UNITS, stateful=stateful, seed=7, **options)
    layer = Bidirectional(one, row["merge_mode"])
    layer.build((BATCH, TIME, FEATURES))
    randomize(layer)
    parts = [layer.forward_layer, layer.backward_layer]
    draws = [draw(part) if training else Draws() for part in parts]
    layer.reset_state()
    starts = begin(layer, parts, row["begin"])

    given = [each for state in starts for each in state]
    found = layer(
        inputs(),
        initial_state=given if row["begin"].startswith("given") else None,
        mask=mask,
        training=training,
    )
    results = [
        plain.run_loop(
            case.step(),
            weights_of(part),
            inputs(),
            state,
            mask,
            drawn,
            go_backwards=part is layer.backward_layer,
            zero_output_for_mask=row["return_sequences"],
            **options,
        )
        for part, state, drawn in zip(parts, starts, draws, strict=True)
    ]
    forward, backward = (outputs[0] for outputs, _, _ in results)
    if row["return_sequences"]:
        backward = backward[:, ::-1]
    final = [each for _, state, _ in results for each in state]
    expected = MERGED[row["merge_mode"]](forward, backward)
    expected += final if row["return_state"] else []
    assert_all_close(arrays(keras.tree.flatten(found)), expected)
    assert_described(layer, expected, mask)
    if stateful:
        assert_all_close(arrays([each for part in parts for each in kept(part)]), final)


STACKS = pairwise(
    {
        "name": ["LSTM", "GRU", "QRNN"],
        "upper": ["GRU", "LSTM"],
        "mask": list(MASKS),
        "begin": BEGINNINGS,
        "training": ["training", "inference"],
        "residual": [False, True],
        "layer_norm": [False, True],
        **SWITCHES,
    }
)


@pytest.mark.parametrize("row", STACKS, ids=named(STACKS))
def test_two_options_of_a_stack_follow_the_plain_loops(row: dict[str, Any]) -> None:
    row = with_possible(row, row["name"], row["upper"])
    mask, training = MASKS[row["mask"]], row["training"] == "training"
    rates = {name: row[name] for name in ("dropout", "recurrent_dropout", "zoneout")}
    stateful = row["begin"] not in ("zeros", "given")
    cases = [CASES[row["name"]], CASES[row["upper"]]]
    layer = Stack(
        [case.make(FEATURES, stateful=stateful, seed=7, **rates) for case in cases],
        **{name: row[name] for name in ("residual", "layer_norm", "return_sequences")},
        return_state=row["return_state"],
    )
    layer.build((BATCH, TIME, FEATURES))
    randomize(layer)
    draws = [draw(part) if training else Draws() for part in layer.layers]
    layer.reset_state()
    starts = begin(layer, layer.layers, row["begin"])

    given = [each for state in starts for each in state]
    found = layer(
        inputs(),
        initial_state=given if row["begin"].startswith("given") else None,
        mask=mask,
        training=training,
    )
    real = np.ones((BATCH, TIME, 1), bool) if mask is None else mask[..., None]
    y = np.where(real, inputs(), 0)
    final: list[Array] = []
    for place, (case, part) in enumerate(zip(cases, layer.layers, strict=True)):
        below = y
        if row["layer_norm"]:
            scale, offset = layer.norms[place].get_weights()
            centered = y - y.mean(-1, keepdims=True)
            below = centered / np.sqrt(y.var(-1, keepdims=True) + 1e-3) * scale + offset
        (outputs,), state, _ = plain.run_loop(
            case.step(),
            weights_of(part),
            below,
            starts[place],
            mask,
            draws[place],
            return_sequences=True,
            **rates,
        )
        y = np.where(real, outputs + y if row["residual"] else outputs, 0)
        final += state
    last = (np.arange(TIME) * real[..., 0]).max(axis=1)
    expected = [y if row["return_sequences"] else y[np.arange(BATCH), last]]
    expected += final if row["return_state"] else []
    assert_all_close(arrays(keras.tree.flatten(found)), expected)
    assert_described(layer, expected, mask)
    if stateful:
        assert_all_close(arrays([each for part in layer.layers for each in kept(part)]), final)
