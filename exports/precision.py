"""Files with smaller weights, and what each costs: measured, and held to a limit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exports.directions import Directions, direction
from exports.errors import InvalidArgumentError, ParityError
from exports.formats.base import FULL, Format
from exports.parity.cases import Case
from exports.parity.compare import ABSOLUTE
from exports.signature import Arrays, Run

if TYPE_CHECKING:
    from exports.endpoints.base import Endpoint

Evaluate = Callable[[Run], Mapping[str, float]]

_FORMS = ("float16", "int8")
_SIGNS = {"higher": 1, "lower": -1, None: 0}


@dataclass(frozen=True)
class Precision:
    """Smaller files to write beside those in float32, and what they must keep.

    Attributes:
        forms: of "float16" and "int8".
        evaluate: measures a form on data whose answers are known.
        max_drop: how far a figure may be worse than that of float32.
        better: whether higher or lower figures are better; by name, if not all alike: figures
            that are not named may change.

    Raises:
        ExportError: if there is no such form.
    """

    forms: Sequence[str]
    evaluate: Evaluate
    max_drop: float = 0.01
    better: Directions = "higher"

    def __post_init__(self) -> None:
        """Refuse what is not there."""
        if unknown := [name for name in self.forms if name not in _FORMS]:
            raise InvalidArgumentError(
                f"Unknown small forms {unknown}: choose among {', '.join(_FORMS)}."
            )


@dataclass(frozen=True)
class Variant:
    """A file in one precision, measured.

    Attributes:
        bytes: of its file.
        figures: what `evaluate` measured.
        drops: how far each figure is worse than that of float32.
        difference: largest |output - output of float32|, over all cases.
        in_float32: bytes of the weights that stay float32, by the operators that read them; None
            if that is not known.
    """

    bytes: int
    figures: dict[str, float]
    drops: dict[str, float]
    difference: float
    in_float32: dict[str, int] | None


def measure(
    format: Format,
    model: "Endpoint",
    directory: Path,
    precision: Precision,
    cases: Sequence[Case],
) -> dict[str, Any]:
    """Write a format's small forms of the model to an artifact, and measure all forms.

    Args:
        format: that has them.
        model: the endpoint, which the format has written in float32.
        directory: of the artifact.
        precision: what to write.
        cases: inputs to compare the outputs on.

    Returns:
        As plain data, the limit, and a `Variant` for float32 and for each small form.

    Raises:
        ExportError: if a form does not run, gives what is no number where float32 gives one, or
            lowers a figure beyond the limit.
    """

    def read(name: str) -> Run:
        return format.read(directory, model.name, model.signature, precision=name)

    def size(name: str) -> int:
        return (directory / format.path(model.name, name)).stat().st_size

    reference = read(FULL)
    answers = [reference(case.inputs) for case in cases]
    expected = dict(precision.evaluate(reference))
    kept = format.float32_weights(directory, FULL)
    forms = {FULL: Variant(size(FULL), expected, dict.fromkeys(expected, 0.0), 0.0, kept)}
    for name in precision.forms:
        format.write_precision(model, directory, name)
        run, shown = read(name), f"{format.name} in {name}"
        largest = difference(shown, run, cases, answers)
        figures = dict(precision.evaluate(run))
        drops = {
            figure: _SIGNS[direction(precision.better, figure)] * (value - figures[figure])
            for figure, value in expected.items()
        }
        _hold(shown, expected, drops, precision)
        kept = format.float32_weights(directory, name)
        forms[name] = Variant(size(name), figures, drops, largest, kept)
    described = {name: asdict(form) for name, form in forms.items()}
    return {"max_drop": precision.max_drop, "forms": described}


def verify(name: str, run: Run, case: Case, answers: Arrays, recorded: float) -> None:
    """Run the small form `name` again, on a case that it was measured on.

    Raises:
        ExportError: if it is further from the `answers` than was `recorded` for any case.
    """
    found = difference(name, run, [case], [answers])
    if found > recorded + ABSOLUTE:
        raise ParityError(
            f"{name} differs from float32 on {case.name} by {found:.2g}, and by {recorded:.2g} "
            "where it was exported."
        )


def difference(name: str, run: Run, cases: Sequence[Case], answers: Sequence[Arrays]) -> float:
    """Return how far the outputs of the small form `name` are from the `answers`, at most.

    Raises:
        ExportError: if one is no finite number where the answer is.
    """
    largest = 0.0
    for case, expected in zip(cases, answers, strict=True):
        for output, values in run(case.inputs).items():
            finite = np.isfinite(expected[output])
            distances = np.abs(values[finite].astype("float64") - expected[output][finite])
            if not np.isfinite(distances).all():
                raise ParityError(
                    f"{name} has numbers in {output!r} that are not finite, on {case.name}, where "
                    f"float32 has none: export without {name}."
                )
            largest = max(largest, float(distances.max(initial=0.0)))
    return largest


def _hold(
    name: str, expected: Mapping[str, float], drops: Mapping[str, float], small: Precision
) -> None:
    """Raise if a figure is worse than the expected one by more than is allowed."""
    for figure, drop in drops.items():
        if not drop <= small.max_drop:
            changes = "lowers" if direction(small.better, figure) == "higher" else "raises"
            raise ParityError(
                f"{name} {changes} {figure} from {expected[figure]:.4f} by {drop:.4f}, and "
                f"{small.max_drop:g} is allowed: export without {name}, or allow more (max_drop)."
            )
