"""Hold the formats of an exported model against a reference, endpoint by endpoint."""

import functools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from exports import endpoints, formats, precision, tracing
from exports.artifact import Artifact, load
from exports.endpoints.base import Endpoint, Reference, Samples
from exports.errors import InvalidArgumentError
from exports.parity.cases import Case, grid
from exports.parity.compare import Parity, Tolerance, compare
from exports.signature import Signature
from exports.text import TextEncoder

_BATCH = 64
_SHORT = slice(0, 15, 6)  # of the cases by length, which Keras runs operator by operator


@tracing.in_full_precision()
def verify(directory: str | os.PathLike[str]) -> dict[str, Parity]:
    """Check an exported model again, wherever it is now.

    Its files must be those of the manifest, each format must give the recorded answers of Keras,
    and the formats must agree on each endpoint, on inputs that are generated anew.

    Returns:
        What was compared: the recorded examples, and each endpoint that several files have.

    Raises:
        ExportError: at the first that does not hold.
    """
    exported = load(directory)
    case, answers = Case("recorded examples", exported.request, real=True), exported.response
    runs = formats.runs(exported)
    recorded = compare({"keras, as recorded": lambda _: answers, **runs}, [case])
    for name, measured in exported.report.precision.items():
        for form, found in measured.forms.items():
            if form in exported.small:
                run = formats.read(exported, name, precision=form)
                precision.verify(f"{name} in {form}", run, case, answers, found["difference"])
    name, run = next(iter(runs.items()))
    known = (formats.get(each).sensitivity(exported.directory) for each in runs)
    reference = Reference(name, run, next(filter(None, known), None))
    samples = Samples(grid(exported.signature, exported.limits, seed=1), exported.limits)
    able = endpoints.recorded(exported)
    return {"recorded": recorded, **compared(exported, able, reference, samples)}


def compared(
    exported: Artifact, able: Sequence[Endpoint], reference: Reference, samples: Samples
) -> dict[str, Parity]:
    """Compare each endpoint, in each format that has it, with the reference.

    Raises:
        ExportError: at the first difference beyond the tolerance.
    """
    load = functools.cache(functools.partial(formats.runs, exported))
    found = ((each.name, each.compare(load, reference, samples)) for each in able)
    return {name: parity for name, parity in found if parity is not None}


def of_given(
    model: keras.Model, exported: Artifact, reference: Reference, samples: Samples
) -> Parity:
    """Compare the model in float32, and each format, with the model as its user calls it.

    That is not compiled, and in its own precision, whose rounding is excused. Some of the shorter
    sequences are taken.
    """
    given, own = tracing.as_given(model, exported.signature), tracing.precision(model)
    runs = {reference.name: reference.run, **formats.runs(exported)}
    against = {f"{name}, against the model in {own}": run for name, run in runs.items()}
    sides = {f"keras, as given in {own}": given, **against}
    return compare(sides, shorter(samples.generated), tolerance=Tolerance.of(own))


def shorter(cases: Sequence[Case]) -> list[Case]:
    """Return some of the shorter sequences."""
    by_length = sorted(
        cases, key=lambda case: max(each.size // len(each) for each in case.inputs.values())
    )
    return by_length[_SHORT]


def real_cases(
    signature: Signature, examples: Any, texts: Sequence[str], encoder: TextEncoder | None
) -> Iterator[Case]:
    """Cut the real data into batches; texts of like length go together.

    Raises:
        ExportError: if there are no examples in `examples`, or other arrays than the model takes.
    """
    if examples is not None:
        arrays = signature.name_inputs(examples)
        rows = len(next(iter(arrays.values())))
        if not rows:
            raise InvalidArgumentError("`examples` holds no rows: give some, or leave it out.")
        for start in range(0, rows, _BATCH):
            part = slice(start, start + _BATCH)
            yield Case(
                f"real rows from {start}",
                {name: values[part] for name, values in arrays.items()},
                real=True,
            )
    if texts and encoder is not None:
        encoded = sorted(encoder.encode(texts), key=len)
        for start in range(0, len(encoded), _BATCH):
            arrays_of_ids = encoded[start : start + _BATCH]
            longest = max(encoder.min_length, len(arrays_of_ids[-1]))
            batch = np.zeros((len(arrays_of_ids), longest), "int32")
            for row, ids in zip(batch, arrays_of_ids, strict=True):
                row[: len(ids)] = ids
            yield Case(f"real texts from {start}", signature.name_inputs(batch), real=True)
