"""Every option of every layer, against references that take the same options."""

import inspect
from typing import Any

import keras
import numpy as np
import pytest

import custom_layers
from tests.custom_layers import plain
from tests.custom_layers.gradients import arrays
from tests.custom_layers.table import (
    CASES,
    CHANGED,
    CHANGED_START,
    ROLES,
    Case,
    options_of,
    weights_of,
)
from tests.custom_layers.test_conformance import (
    MASKS,
    UNITS,
    assert_all_close,
    built,
    inputs,
    randomize,
    states,
)

# For each role of a weight values that no other role has.
INITIALIZERS = {
    "kernel": keras.initializers.Constant(0.1),
    "recurrent": keras.initializers.Constant(0.2),
    "bias": keras.initializers.Constant(0.3),
}
REGULARIZERS = {
    "kernel": keras.regularizers.L2(0.1),
    "recurrent": keras.regularizers.L1(0.02),
    "bias": keras.regularizers.L2(0.3),
}
CONSTRAINTS = {
    "kernel": keras.constraints.MaxNorm(3),
    "recurrent": keras.constraints.NonNeg(),
    "bias": keras.constraints.UnitNorm(),
}
OF_WEIGHTS = {
    f"{role}_{kind}": value
    for kind, values in {
        "initializer": INITIALIZERS,
        "regularizer": REGULARIZERS,
        "constraint": CONSTRAINTS,
    }.items()
    for role, value in values.items()
}
OF_THE_LOOP = set(inspect.signature(custom_layers.Recurrent).parameters) - {"cell", "options"}


def taken(case: Case, options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the options that the layer takes."""
    names = inspect.signature(case.layer).parameters
    return {name: value for name, value in options.items() if name in names}


def test_every_option_has_a_reference_and_is_varied(case: Case) -> None:
    """The options of the loop have theirs in `test_pairs`."""
    options = inspect.signature(case.layer).parameters
    equations, initial = options_of(case.equations), options_of(case.initial)
    assert set(options) - {"units", "options"} == {
        "use_bias",
        *equations,
        *initial,
        *OF_WEIGHTS,
        *OF_THE_LOOP,
    }
    alike = [each for each in CASES.values() if each.layer is case.layer]
    assert equations == {name for each in alike for name in (*each.changed, *each.arguments)}
    assert all(options[name].default != value for name, value in case.changed.items())
    assert initial <= set(CHANGED_START)
    numbers = [value for value in CHANGED.values() if not isinstance(value, str)]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("kind", ["defaults", "changed", "no bias"])
def test_outputs_follow_the_equations(case: Case, kind: str) -> None:
    options = {} if kind == "defaults" else case.changed
    layer = built(
        case.make(
            UNITS,
            use_bias=kind != "no bias",
            return_sequences=True,
            return_state=True,
            **options,
        )
    )
    randomize(layer)
    state, mask = tuple(states(layer)), MASKS["none" if kind == "defaults" else "holes"]
    expected, *_ = plain.run_loop(
        case.step(**options),
        weights_of(layer),
        inputs(),
        state,
        mask,
        return_sequences=True,
        return_state=True,
    )
    found = arrays(layer(inputs(), initial_state=list(state), mask=mask))
    assert_all_close(list(found), expected)


@pytest.mark.parametrize("changed", [False, True])
def test_training_starts_from_the_weights_of_the_papers(case: Case, changed: bool) -> None:
    options = taken(case, CHANGED_START) if changed else {}
    layer = case.make(128, **options)
    layer.build((None, None, 64))
    case.initial(weights_of(layer), **options)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.keras_layer])
def test_training_starts_from_the_weights_of_keras(name: str) -> None:
    initializers = {
        "kernel_initializer": keras.initializers.GlorotUniform(seed=1),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=2),
        "bias_initializer": keras.initializers.Constant(0.3),
    }
    for options in ({}, taken(CASES[name], {"unit_forget_bias": False})):
        made = CASES[name].make(**initializers, **options)
        reference = CASES[name].make_keras(**initializers, **options)
        for ours, theirs in zip(
            built(made).get_weights(), built(reference).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_every_weight_obeys_the_arguments_of_its_role(case: Case) -> None:
    layer = built(case.make(UNITS, **OF_WEIGHTS, **taken(case, {"unit_forget_bias": False})))
    losses = 0.0
    for variable in layer.cell.weights:
        role = {**ROLES, **case.roles}[variable.name]
        assert variable.regularizer is REGULARIZERS.get(role)
        assert variable.constraint is CONSTRAINTS.get(role)
        if role in INITIALIZERS:
            np.testing.assert_array_equal(
                arrays(variable), arrays(INITIALIZERS[role](variable.shape))
            )
            losses += float(REGULARIZERS[role](variable))
    assert float(sum(layer.losses)) == pytest.approx(losses)


def test_the_activity_regularizer_is_that_of_keras() -> None:
    options = {"activity_regularizer": keras.regularizers.L2(0.1), "return_sequences": True}
    ours, reference = (
        built(make(UNITS, **options)) for make in (custom_layers.LSTM, keras.layers.LSTM)
    )
    reference.set_weights(ours.get_weights())
    losses = []
    for layer in (ours, reference):
        layer(inputs())
        losses.append(float(sum(layer.losses)))
    assert losses[0] == pytest.approx(losses[1]) != 0


def test_every_argument_is_in_the_config(case: Case) -> None:
    changed = {
        **CHANGED,
        **CHANGED_START,
        **OF_WEIGHTS,
        "use_bias": False,
        "dropout": 0.1,
        "recurrent_dropout": 0.2 if case.has_product else 0.0,
        "zoneout": 0.3,
        "truncate": 5,
        "clip_state_gradient": 1.5,
        "seed": 7,
        "return_sequences": True,
        "return_state": True,
        "go_backwards": True,
        "stateful": True,
        "unroll": True,
        "zero_output_for_mask": True,
        "use_cudnn": False,
    }
    default = case.make().get_config()
    changed["reset_after"] = not default.get("reset_after")
    names = [name for name in inspect.signature(case.layer).parameters if name in changed]
    assert set(inspect.signature(case.layer).parameters) - set(names) == {"units", "options"}
    config = case.layer(UNITS, **{name: changed[name] for name in names}).get_config()
    same = [name for name in names if config[name] == default[name]]
    assert same == ([] if case.has_product else ["recurrent_dropout"])
    assert case.layer.from_config(config).get_config() == config
    wrapped = custom_layers.Recurrent(case.make().cell)
    again = custom_layers.Recurrent.from_config(wrapped.get_config())
    assert again.get_config() == wrapped.get_config()


def test_a_seed_repeats_what_is_drawn() -> None:
    rates = {"dropout": 0.4, "recurrent_dropout": 0.4, "zoneout": 0.4}
    outputs = []
    for seed in (1, 1, 2, None, None):
        layer = built(custom_layers.LSTM(UNITS, seed=seed, **rates))
        randomize(layer)
        outputs.append(arrays(layer(inputs(), training=True)))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    for other in outputs[2:]:
        assert (other != outputs[0]).any()
    assert (outputs[3] != outputs[4]).any()
