"""How right each answer of a model is and how it reads, and what of that a report shows."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

_LENGTHS = 8  # groups of examples of like length
_CONFIDENCES = 10  # groups of answers that the model is as sure of
_ERRORS = 30  # groups of errors
_WORST = 10  # mistakes to show
_TINY = 1e-38  # a probability that float32 has

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels `[height, width]` or `[height, width, channels]`, and what stands for them."""

    pixels: npt.NDArray[np.uint8]
    text: str


class Mistake(NamedTuple):
    """An example, what would have been right, and what the model said."""

    example: str | Picture
    truth: str
    answer: str


@dataclass(frozen=True, eq=False)
class Choices:
    """Answers that are one of several labels: for each example, the probabilities of all."""

    labels: Sequence[str]
    targets: Array
    probabilities: Array

    @property
    def right(self) -> Array:
        """Whether the most probable label is the right one."""
        found: Array = self.probabilities.argmax(-1) == self.targets
        return found


@dataclass(frozen=True, eq=False)
class ErrorAnalysis:
    """How right each answer is.

    Attributes:
        errors: of each answer; 0 is right.
        unit: what `errors` count.
        lengths: of what each answer is about.
        steps: what `lengths` count.
        read: gives the example with a number, and the answer about it, for a reader.
        choices: the answers, if they are labels.
    """

    errors: Array
    unit: str
    lengths: Array
    steps: str
    read: Callable[[int], Mistake]
    choices: Choices | None = None


def of_choices(
    choices: Choices, lengths: Array, steps: str, example: Callable[[int], str | Picture]
) -> ErrorAnalysis:
    """Mark answers that are labels: an answer is as wrong as the truth surprised the model."""
    labels, targets = choices.labels, choices.targets
    believed = np.take_along_axis(choices.probabilities, targets[:, None], axis=-1)[:, 0]

    def read(place: int) -> Mistake:
        row = choices.probabilities[place]
        answer = f"{labels[row.argmax()]} ({row.max():.3f})"
        truth = f"{labels[targets[place]]} ({believed[place]:.3f})"
        return Mistake(example(place), truth, answer)

    surprise = -np.log(np.maximum(believed, _TINY))
    return ErrorAnalysis(surprise, "nats", lengths, steps, read, choices)


def summary(analysis: ErrorAnalysis) -> dict[str, Any]:
    """Count what a report shows of `analysis`, as what JSON knows."""
    choices = analysis.choices
    found: dict[str, Any] = {"unit": analysis.unit, "steps": analysis.steps}
    if choices is None:
        found["errors"] = _distribution(analysis.errors)
        values, wrong = analysis.errors, analysis.errors > 0
    else:
        found["confusion"] = _confusion(choices)
        found["calibration"] = _calibration(choices)
        values, wrong = choices.right, ~choices.right
    found["lengths"] = _by_length(analysis.lengths, values)
    order = np.argsort(-analysis.errors, kind="stable")
    worst = order[wrong[order]]
    found["wrong"] = len(worst)
    found["worst"] = [_mistake(analysis, place) for place in worst[:_WORST].tolist()]
    return found


def _confusion(choices: Choices) -> dict[str, Any]:
    """Count how often each label, a row, was taken for each."""
    predicted, every = choices.probabilities.argmax(-1), range(len(choices.labels))
    counts = confusion_matrix(choices.targets, predicted, labels=every)
    return {"labels": list(choices.labels), "counts": counts.tolist()}


def _calibration(choices: Choices) -> list[dict[str, Any]]:
    """Hold how sure the model was against how often it was right."""
    sure = choices.probabilities.max(-1)
    accuracy, confidence = calibration_curve(choices.right, sure, n_bins=_CONFIDENCES)
    edges = np.linspace(0, 1, _CONFIDENCES + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], sure))
    columns = (counts[counts > 0].tolist(), confidence.tolist(), accuracy.tolist())
    names = ("answers", "confidence", "accuracy")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _distribution(errors: Array) -> dict[str, Any]:
    """Count errors of like size; whole numbers each for itself."""
    whole = errors.dtype.kind in "iu"
    groups = np.arange(errors.max() + 2) - 0.5 if whole else _ERRORS
    counts, edges = np.histogram(errors, groups)
    quantiles = np.quantile(errors, (0.5, 0.9, 0.99)).tolist()
    return {
        "counts": counts.tolist(),
        "edges": edges.tolist(),
        "mean": float(errors.mean()),
        "quantiles": dict(
            zip(("median", "90 % are below", "99 % are below"), quantiles, strict=True)
        ),
    }


def _by_length(lengths: Array, values: Array) -> list[dict[str, Any]]:
    """Take the mean of `values` over examples of like length."""
    fractions = np.linspace(0, 1, _LENGTHS + 1)
    edges = np.unique(np.quantile(lengths, fractions, method="nearest"))
    groups = np.minimum(np.searchsorted(edges, lengths, side="right"), max(len(edges) - 1, 1))
    return [
        {
            "shortest": int(lengths[groups == group].min()),
            "longest": int(lengths[groups == group].max()),
            "examples": int((groups == group).sum()),
            "mean": float(values[groups == group].mean()),
        }
        for group in np.unique(groups)
    ]


def _mistake(analysis: ErrorAnalysis, place: int) -> dict[str, Any]:
    example, truth, answer = analysis.read(place)
    if isinstance(example, Picture):
        shown: Any = {"png": _png(example.pixels), "text": example.text}
    else:
        shown = example
    error = analysis.errors[place].item()
    return {"example": shown, "truth": truth, "answer": answer, "error": error}


def _png(pixels: npt.NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()
