"""Findings that several tasks have: about labels, numbers, errors and what they go with."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from pipeline.error_analysis.findings import (
    LARGEST,
    Bars,
    Block,
    Cell,
    Chart,
    Dots,
    Element,
    Finding,
    Line,
    Matrix,
    Passage,
    Picture,
    Piece,
    Ranges,
    Table,
    Terms,
    Text,
)

_LABELS = 30  # labels of a confusion matrix, and rows of a table that is not folded
_CONFUSIONS = 10  # pairs of labels
_EXAMPLES = 3  # of each pair
_EXCERPT = 100  # letters of an example among others
_GROUPS = 8  # of examples of like length
_CONFIDENCES = 10  # groups of predictions that the model is as sure of
_ERRORS = 30  # groups of errors
_WORST = 10  # mistakes
_POINTS = 200  # of a chart of single predictions
_SIDE = 96  # pixels of a picture, at most
_TINY = 1e-38  # a probability that float32 has

Array = npt.NDArray[Any]


# Labels.


@dataclass(frozen=True, eq=False)
class Choices:
    """Predictions that are one of several labels: the probabilities of all, `[n, labels]`."""

    labels: Sequence[str]
    targets: Array
    probabilities: Array

    @cached_property
    def predicted(self) -> Array:
        """The number of the most probable label of each."""
        return self.probabilities.argmax(-1)

    @cached_property
    def right(self) -> Array:
        """Whether that is the right one."""
        found: Array = self.predicted == self.targets
        return found

    @cached_property
    def believed(self) -> Array:
        """The probability of the right label of each."""
        return np.take_along_axis(self.probabilities, self.targets[:, None], axis=-1)[:, 0]

    @cached_property
    def errors(self) -> Array:
        """By how many nats the truth surprised the model where it was wrong; else 0."""
        return np.where(self.right, 0.0, -np.log(np.maximum(self.believed, _TINY)))

    def told(self, place: int) -> tuple[str, str]:
        """Write the right label and the most probable one, each with its probability."""
        labels = self.targets[place], self.predicted[place]
        right, said = (f"{self.labels[k]} ({self.probabilities[place, k]:.3f})" for k in labels)
        return right, said


def of_choices(
    choices: Choices, noun: str, excerpt: Callable[[int], Sequence[Piece]]
) -> list[Finding]:
    """Show which labels are taken for which, how well each is found, and how sure the model is.

    Args:
        choices: the predictions.
        noun: what they are about, in the plural.
        excerpt: shows one in a line, by its number.
    """
    is_label = np.eye(len(choices.labels), dtype=bool)
    having, said = is_label[choices.targets], is_label[choices.predicted]
    return [
        Finding("Confusion", [_confusion(choices, noun), _confusions(choices, noun, excerpt)]),
        Finding("Labels", [of_labels(choices.labels, having, said)]),
        Finding("Calibration", calibration(choices.probabilities.max(-1), choices.right)),
    ]


def _confusion(choices: Choices, noun: str) -> Matrix:
    """Count how often each label was taken for each; of many labels, those most confused."""
    every = range(len(choices.labels))
    counts = confusion_matrix(choices.targets, choices.predicted, labels=every)
    wrong = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    shown = np.sort(np.argsort(-wrong, kind="stable")[:_LABELS])
    labels = [choices.labels[place] for place in shown]
    caption = (
        f"Test {noun} by what they are, a row, and what the model says, a column"
        f"{few(len(shown), len(every), 'labels, those most confused')}"
    )
    return Matrix(caption, labels, labels, counts[np.ix_(shown, shown)].tolist())


def _confusions(
    choices: Choices, noun: str, excerpt: Callable[[int], Sequence[Piece]]
) -> Table | Text:
    """List the most frequent confusions, with the examples that the model was most sure of."""
    wrong = np.flatnonzero(~choices.right)
    if not len(wrong):
        return Text("No prediction is wrong.")
    surest = wrong[np.argsort(-choices.probabilities.max(-1)[wrong], kind="stable")]
    pairs = [(int(choices.targets[each]), int(choices.predicted[each])) for each in surest]
    counts = Counter(pairs)
    rows: list[list[Cell]] = []
    for pair in sorted(counts, key=lambda pair: (-counts[pair], pair))[:_CONFUSIONS]:
        places = [int(each) for each, of in zip(surest, pairs, strict=True) if of == pair]
        right, said = (choices.labels[label] for label in pair)
        share = counts[pair] / (choices.targets == pair[0]).sum()
        examples = lines(map(excerpt, places[:_EXAMPLES]))
        rows.append([right, said, f"{counts[pair]:,}", f"{share:.1%}", examples])
    heads = ["right is", "the model says", noun, "share of the label", "surest mistakes"]
    caption = f"Confusions, the most frequent first{few(len(rows), len(counts))}"
    return Table(caption, heads, rows)


def of_labels(labels: Sequence[str], targets: Array, predicted: Array) -> Table:
    """Measure how well each label is found: which have it and which are said to, `[n, labels]`."""
    figures = precision_recall_fscore_support(targets, predicted, zero_division=0)
    rows = [
        [label, *(f"{figure:.4f}" for figure in each), f"{count:,}", f"{said:,}"]
        for label, *each, count, said in zip(labels, *figures, predicted.sum(0), strict=True)
    ]
    heads = ["label", "precision", "recall", "F1", "support", "predicted"]
    return Table("How well each label is found", heads, rows, folded=len(rows) > _LABELS)


def calibration(
    sure: Array, right: Array, noun: str = "predictions", said: str = "are right"
) -> list[Block]:
    """Show whether the model is as sure as it is right.

    Args:
        sure: the probability of each prediction.
        right: whether it is right.
        noun: what they are, in the plural.
        said: what is true of the right ones.
    """
    accuracy, confidence = calibration_curve(right, sure, n_bins=_CONFIDENCES)
    edges = np.linspace(0, 1, _CONFIDENCES + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], sure))
    groups = list(zip(confidence, accuracy, counts[counts > 0].tolist(), strict=True))
    apart = sum(count * abs(mean - share) for mean, share, count in groups) / len(sure)
    title = f"How often sure {noun} {said}"
    told = "; ".join(
        f"of {count:,} {noun} with a mean probability of {mean:.3f}, {share:.3f} {said}"
        for mean, share, count in groups
    )
    rows = [[f"{mean:.3f}", f"{share:.3f}", f"{count:,}"] for mean, share, count in groups]
    heads = ["mean probability", f"fraction that {said}", noun]
    x, y = numbers(confidence), numbers(accuracy)
    elements: list[Element] = [
        Line("as sure as right", [0.0, 1.0], [0.0, 1.0], dotted=True),
        Line("the model", x, y),
        Dots(f"more {noun}, larger dot", x, y, [count for *_, count in groups]),
    ]
    table = Table(f"{noun.capitalize()} by their probability", heads, rows, folded=True)
    chart = Chart(
        title, f"{title}: {told}.", "probability", f"fraction that {said}", elements, table
    )
    mean = (
        f"Probability and fraction are {apart:.3f} apart in the mean over all {noun} (the "
        "expected calibration error)."
    )
    return [chart, Text(mean)]


# Numbers.


def agreement(name: str, truth: Array, predictions: Array) -> Chart:
    """Draw predicted numbers, with their intervals, against the true ones.

    Args:
        name: of the number.
        truth: `[n]`.
        predictions: mean and quantiles, `[n, 4]`.
    """
    chosen = np.unique(np.linspace(0, len(truth) - 1, min(_POINTS, len(truth))).round().astype(int))
    mean, low, _, high = predictions[chosen].T
    x, ends = numbers(truth[chosen]), numbers([truth[chosen].min(), truth[chosen].max()])
    elements: list[Element] = [
        Line("predicted as it is", ends, ends, dotted=True),
        Ranges("interval", x, numbers(low), numbers(high)),
        Dots("mean", x, numbers(mean)),
    ]
    title = f"{name}: predicted against true"
    inside = ((low <= truth[chosen]) & (truth[chosen] <= high)).mean()
    description = (
        f"{title}. {len(chosen):,} of {len(truth):,} test examples, at even distances. True "
        f"numbers are {ends[0]:.4g} to {ends[1]:.4g}, means {mean.min():.4g} to {mean.max():.4g}; "
        f"{inside:.1%} of the intervals hold the true number."
    )
    return Chart(title, description, "true", "predicted", elements)


def intervals(names: Sequence[str], truth: Array, predictions: Array) -> Table:
    """Measure how often numbers are below their quantiles and between the outer two.

    Args:
        names: of the numbers.
        truth: `[n, names]`; NaN where it is not known.
        predictions: mean and quantiles 0.1, 0.5 and 0.9, `[n, names, 4]`.
    """
    rows = []
    for place, name in enumerate(names):
        known = ~np.isnan(truth[:, place])
        if not known.any():
            continue
        true, (_, *quantiles) = truth[known, place], predictions[known, place].T
        below = ((true < each).mean() for each in quantiles)
        inside = (quantiles[0] <= true) & (true <= quantiles[-1])
        width = (quantiles[-1] - quantiles[0]).mean()
        rows.append([name, *(f"{each:.3f}" for each in (*below, inside.mean())), f"{width:.4g}"])
    heads = ["", "below quantile 0.1", "below quantile 0.5", "below quantile 0.9"]
    heads += ["in the interval", "mean width of the interval"]
    caption = "Fractions of the true numbers; 0.1, 0.5, 0.9 and 0.8 are right"
    return Table(caption, heads, rows)


# Errors, and what they go with.


def distribution(errors: Array, unit: str) -> list[Block]:
    """Count errors of like size; whole numbers each for itself."""
    whole = errors.dtype.kind in "iu" and errors.max() < 2 * _ERRORS
    groups: Any = np.arange(errors.max() + 2) - 0.5 if whole else _ERRORS
    counts, edges = np.histogram(errors, groups)
    names = ("mean", "median", "90 % are below", "99 % are below")
    found = (errors.mean(), *np.quantile(errors, (0.5, 0.9, 0.99)))
    shown = {name: f"{value:.4g} {unit}" for name, value in zip(names, found, strict=True)}
    said = ", ".join(f"{name} {value}" for name, value in shown.items())
    description = f"A histogram of {len(errors):,} errors: {said}."
    title, elements = "How large errors are", [Bars(numbers(edges), counts.tolist())]
    return [Chart(title, description, f"error, {unit}", "predictions", elements), Terms(shown)]


def by_group(quantity: Array, of: str, values: Array, what: str) -> list[Block]:
    """Show the mean of `values`, which are `what`, over examples of like `quantity`, which is `of`.

    So a reader sees whether the model does as well where there is more to read.
    """
    fractions = np.linspace(0, 1, _GROUPS + 1)
    edges = np.unique(np.quantile(quantity, fractions, method="nearest"))
    if len(edges) == 1:
        return [Text(f"All have {edges[0]:,} {of}.")]
    groups = np.minimum(np.searchsorted(edges, quantity, side="right"), len(edges) - 1)
    members = [groups == group for group in np.unique(groups)]
    ends = [(quantity[each].min(), quantity[each].max()) for each in members]
    names = [f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in ends]
    means = [float(values[each].mean()) for each in members]
    rows = [
        [name, f"{mean:.4g}", f"{each.sum():,}"]
        for name, mean, each in zip(names, means, members, strict=True)
    ]
    title = f"{what[0].upper()}{what[1:]} by {of}"
    table = Table(title, [of, what, "examples"], rows, folded=True)
    x, y = numbers([(low + high) / 2 for low, high in ends]), numbers(means)
    said = "; ".join(f"{name} {of}: {mean:.4g}" for name, mean in zip(names, means, strict=True))
    return [Chart(title, f"{title}. {said}.", of, what, [Line("", x, y), Dots("", x, y)], table)]


def worst(
    errors: Array, unit: str, heads: Sequence[str], row: Callable[[int], Sequence[Cell]]
) -> Table | Text:
    """List the predictions that are most wrong.

    Args:
        errors: of all predictions; 0 is right.
        unit: what they count.
        heads: of the columns of `row`.
        row: shows a prediction, by its number.
    """
    order = np.argsort(-errors, kind="stable")
    wrong = order[errors[order] > 0]
    if not len(wrong):
        return Text("No prediction is wrong.")
    rows = [[*row(place), f"{errors[place]:.4g}"] for place in wrong[:_WORST].tolist()]
    caption = f"The worst {len(rows)} of {len(wrong):,} predictions with an error"
    return Table(caption, [*heads, f"error, {unit}"], rows)


# What findings are made of.


def numbers(values: Any) -> list[float | None]:
    """Round numbers to six digits, and leave out what is none."""
    held = np.clip(np.asarray(values, float), -LARGEST, LARGEST).tolist()
    return [float(f"{value:.6g}") if value == value else None for value in held]


def few(shown: int, every: int, noun: str = "") -> str:
    """Say how many are shown of how many, if not all are."""
    return f": {shown:,} of {every:,} {noun}".rstrip() if shown < every else ""


def lines(passages: Iterable[Sequence[Piece]]) -> Passage:
    """Put each passage on a line of its own."""
    pieces: list[Piece] = []
    for passage in passages:
        pieces += [Piece("\n"), *passage] if pieces else passage
    return Passage(pieces)


def shortened(text: str) -> str:
    """Write the beginning of a text, for a line among others."""
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 1]}…"


def picture(pixels: npt.NDArray[np.uint8], text: str) -> Picture:
    """Show pixels `[height, width]` or `[height, width, channels]`, and what stands for them."""
    file, image = io.BytesIO(), Image.fromarray(pixels.squeeze())
    image.thumbnail((_SIDE, _SIDE))
    image.save(file, "png")
    return Picture(base64.b64encode(file.getvalue()).decode(), text)
