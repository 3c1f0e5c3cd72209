"""Proof that formats compute the same function: run them all, compare every number."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from exports.errors import ExportError, ParityError, UnsupportedLayerError
from exports.parity.cases import Case
from exports.signature import Arrays, Run

# The gap between 1 and the next number of the half precisions.
EPSILONS = {"bfloat16": 2.0**-7, "float16": 2.0**-10}


# Allowed |difference|: ABSOLUTE + RELATIVE * |reference|.
ABSOLUTE, RELATIVE = 2e-5, 1e-4


@dataclass(frozen=True)
class Tolerance:
    """How large a |difference| may be: absolute + relative * |reference|."""

    absolute: float = ABSOLUTE
    relative: float = RELATIVE

    @classmethod
    def of(cls, precision: str) -> "Tolerance":
        """Return what rounding in `precision` excuses: eight times its epsilon if it is half."""
        if precision not in EPSILONS:
            return cls()
        return cls(8 * EPSILONS[precision], 8 * EPSILONS[precision])


STRICT = Tolerance()


@dataclass
class Difference:
    """How far the outputs of a format are from the reference's, over all cases.

    Attributes:
        absolute: largest |other - reference|.
        case: where that was.
        relative: largest |other - reference| / |reference|, where |reference| > 1e-3.
        ulp: largest distance in units in the last place of the reference, there too.
        not_finite: numbers that are not, but the same NaN or infinity in both. NaN proves nothing.
        undecided: whole numbers that the reference itself changes when its inputs move by 1e-6,
            such as the place of the larger of two equal scores; they are not compared.
        labels_compared: rows of real data whose most probable label was compared: those of an
            output of probabilities, without ties.
        labels_equal: rows among them in which it is the same.
    """

    absolute: float = 0.0
    case: str = ""
    relative: float = 0.0
    ulp: int = 0
    not_finite: int = 0
    undecided: int = 0
    labels_compared: int = 0
    labels_equal: int = 0


@dataclass
class Parity:
    """The outcome of a comparison.

    Attributes:
        reference: the format compared against.
        cases: names of the cases run.
        differences: for each other format, its differences.
        tolerance: what every difference was within.
    """

    reference: str
    cases: list[str]
    differences: dict[str, Difference]
    tolerance: Tolerance = STRICT

    @property
    def worst(self) -> float:
        """Return the largest absolute difference of any format."""
        return max((each.absolute for each in self.differences.values()), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


class AmplifiedError(ParityError):
    """A format differs, and so does the reference from itself, one rounding away."""


_NUDGE, _NUDGES = 1e-6, 8
_TIE = 8  # units in the last place between the largest two probabilities

_ALIKE = 10  # a difference is explained by one that is not this many times smaller
_AMPLIFICATION = (
    " The model itself amplifies rounding: its own output moves by up to {:.2g} when its weights "
    "and inputs move by one unit in the last place, so what it gives for sequences of this length "
    "depends on the machine, and no proof is possible. Train it to forget (smaller recurrent "
    "weights, or gates), or give it shorter sequences."
)


def reject_randomness(run: Run, case: Case) -> None:
    """Raise if a model gives other numbers when it is called again.

    Raises:
        ExportError: if it does, because no file can repeat them.
    """
    for name, apart in distances(run(case.inputs), run(case.inputs)).items():
        if (largest := np.max(apart, initial=0.0)) > ABSOLUTE:
            raise UnsupportedLayerError(
                f"Output {name!r} changes by up to {largest:.2g} when the model is called again on "
                "the same inputs: it draws random numbers, which no file can repeat. Let its "
                "layers do so in training alone."
            )


def next_up(values: np.ndarray) -> np.ndarray:
    """Return floats one unit in the last place up; zeros stay, because they may be padding."""
    if values.dtype.kind != "f":
        return values
    return np.where(values == 0, values, np.nextafter(values, np.inf, dtype=values.dtype))


def distances(outputs: Arrays, others: Arrays) -> Arrays:
    """Return how far each number of `others` is from that of `outputs`."""
    with np.errstate(invalid="ignore"):
        return {
            name: np.abs(others[name].astype("float64") - values.astype("float64"))
            for name, values in outputs.items()
        }


def compare(
    runs: Mapping[str, Run],
    cases: Iterable[Case],
    sensitivity: Run | None = None,
    tolerance: Tolerance = STRICT,
) -> Parity:
    """Run every format on every case; the first format is the reference.

    Args:
        runs: the formats.
        cases: what they are run on.
        sensitivity: how far the outputs of the model itself move by a rounding. It excuses nothing:
            where they move as far as a format is from the reference, the error says so.
        tolerance: how far a number may be from the reference's.

    Raises:
        ExportError: if a format fails on a case, names or shapes its outputs otherwise, differs
            beyond the tolerance, or gives real data another label, or if the reference gives NaN
            alone; an AmplifiedError if the model amplifies rounding.
    """
    (reference, run), *others = runs.items()
    parity = Parity(reference, [], {name: Difference() for name, _ in others}, tolerance)
    numbers: dict[str, bool] = {}
    for case in cases:
        parity.cases.append(case.name)
        expected = run(case.inputs)
        for name, other in others:
            outputs = other(case.inputs)
            what = f"{name} differs from {reference} on {case.name}"
            if outputs.keys() != expected.keys():
                raise ParityError(f"{what}: outputs {list(outputs)}, not {list(expected)}.")
            for output, values in expected.items():
                where, difference = f"{what}, output {output!r}", parity.differences[name]
                got = outputs[output]
                _reject_another_kind(where, values, got)
                if _are_whole(values) and _are_whole(got) and np.any(got != values):
                    undecided = _undecided(run, case, output, values)
                    difference.undecided += int(undecided.sum())
                    got = np.where(undecided, values, got)
                try:
                    _compare(where, difference, case, values, got, tolerance)
                except ExportError as error:
                    if sensitivity is None:
                        raise
                    moved = float(np.max(sensitivity(case.inputs)[output]))
                    apart = np.max(np.abs(got.astype("float64") - values))
                    if not moved * _ALIKE >= apart:
                        raise
                    raise AmplifiedError(f"{error}{_AMPLIFICATION.format(moved)}") from error
        for output, values in expected.items():
            numbers[output] = numbers.get(output, False) or not np.isnan(values).all()
    if nothing := [output for output, shown in numbers.items() if not shown]:
        raise ParityError(
            f"{reference} gives NaN alone in output {nothing[0]!r}, so nothing is proved: look for "
            "a NaN in the model, or give real inputs, export(..., examples=...)."
        )
    return parity


def _reject_another_kind(what: str, expected: np.ndarray, got: np.ndarray) -> None:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise ParityError(
            f"{what}: {got.dtype}{list(got.shape)}, not {expected.dtype}{list(expected.shape)}."
        )


def _are_whole(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool(np.all(values == np.rint(values)))


def _undecided(run: Run, case: Case, output: str, expected: np.ndarray) -> np.ndarray:
    """Tell where an output of whole numbers is decided by rounding.

    There it changes when the floats among the inputs move by 1e-6, in one of several ways.
    """
    generator = np.random.default_rng(0)
    undecided = np.zeros(expected.shape, bool)
    for _ in range(_NUDGES):
        nudged = {
            name: (values + _NUDGE * generator.normal(size=values.shape)).astype(values.dtype)
            if values.dtype.kind == "f"
            else values
            for name, values in case.inputs.items()
        }
        undecided |= run(nudged)[output] != expected
    return undecided


def _compare(
    what: str,
    difference: Difference,
    case: Case,
    expected: np.ndarray,
    got: np.ndarray,
    tolerance: Tolerance,
) -> None:
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(got.astype("float64") - expected))
    strange = ~same & ~np.isfinite(distance)
    if np.any(strange):
        (there, *_) = zip(*np.nonzero(strange), strict=True)
        raise ParityError(
            f"{what}: {_spelled(got[there])} instead of {_spelled(expected[there])}, in "
            f"{strange.sum()} of {strange.size} numbers."
        )
    allowed = tolerance.absolute + tolerance.relative * np.abs(expected)
    if not np.all(same | (distance <= allowed)):
        raise ParityError(
            f"{what}: by up to {np.max(distance):.2g}, more than "
            f"{tolerance.absolute:g} + {tolerance.relative:g} x |value|."
        )
    if not distance.size:
        return
    finite = np.isfinite(expected)
    difference.not_finite += int(np.sum(~finite))
    large = finite & (np.abs(expected) > 1e-3)
    if distance.max() >= difference.absolute:
        difference.absolute, difference.case = float(distance.max()), case.name
    relative = (distance[large] / np.abs(expected[large])).max(initial=0.0)
    difference.relative = max(difference.relative, float(relative))
    if np.issubdtype(expected.dtype, np.floating):
        ulps = (distance[large] / np.spacing(np.abs(expected[large]))).max(initial=0.0)
        difference.ulp = max(difference.ulp, round(float(ulps)))
    if case.real and _are_probabilities(expected):
        second, first = np.moveaxis(np.sort(expected, axis=-1)[..., -2:], -1, 0)
        clear = first - second > _TIE * np.spacing(first)
        same = (np.argmax(expected, axis=-1) == np.argmax(got, axis=-1))[clear]
        difference.labels_compared += same.size
        difference.labels_equal += int(same.sum())
        if not same.all():
            raise ParityError(f"{what}: another label in {(~same).sum()} of {same.size} rows.")


def _spelled(value: Any) -> str:
    return "not a number" if np.isnan(value) else f"{value:.6g}"


def _are_probabilities(values: np.ndarray) -> bool:
    """Tell whether each row is a distribution over two labels or more."""
    if values.dtype.kind != "f" or values.ndim < 2 or values.shape[-1] < 2:
        return False
    return bool(np.all(values >= 0) and np.allclose(values.sum(axis=-1), 1, atol=1e-3))
