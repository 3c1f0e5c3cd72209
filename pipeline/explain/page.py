"""The page of `recurrent explain`: what models make of one input."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from pipeline import files
from pipeline.explain import drawing
from pipeline.explain.common import Common, common
from pipeline.explain.drawing import Drawn
from pipeline.explain.measure import Explanation
from pipeline.explain.spec import Array, Text, Vectors
from pipeline.pages import figures, page
from pipeline.pages.page import Section, Token, blocks

_TITLE = 60  # letters of an input in the title
_QUOTED = 400  # letters of an input in the introduction


def write(title: str, explanations: Sequence[Explanation], path: Path, folder: Path | None) -> None:
    """Write the page `path`, and its figures to `folder`, for papers.

    Args:
        title: stands above the input's name.
        explanations: what each model makes of the same input.
        path: of the page.
        folder: of the figures, as SVG and PNG; None: they are on the page only.

    Raises:
        PipelineError: a file cannot be written.
    """
    drawn: list[Drawn] = []

    def shown(figure: Drawn) -> Markup:
        drawn.append(figure)
        return figures.picture(figure.figure, figure.title, figure.description)

    name = explanations[0].spec.name
    common_steps = common([each.spec.steps for each in explanations])
    sections = [
        Section("What it says, step by step", list(_says(explanations, common_steps, shown))),
        Section("What the answer depends on", list(_depends(explanations, shown))),
        Section("Gates and states", list(_gates(explanations, shown))),
        Section("The gradient on its way back", list(_lags(explanations, shown))),
        Section("Every step in numbers", list(_numbers(explanations, common_steps))),
    ]
    introduction = f"“{_shortened(name, _QUOTED)}”. {' '.join(_answers(explanations))}"
    heading = f"{title}: {_shortened(name, _TITLE)}"
    files.write(path, page.render(heading, introduction, sections))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for figure in drawn:
            figures.save(figure.figure, folder / figure.file)


def _answers(explanations: Sequence[Explanation]) -> Iterator[str]:
    for each in explanations:
        said = "; ".join([f"{each.name} answers “{each.explained.answer}”", *each.spec.notes])
        yield f"{said}."


def _says(
    explanations: Sequence[Explanation], common_steps: Common, shown: Callable[[Drawn], Markup]
) -> Iterator[Markup]:
    spec, count = explanations[0].spec, len(common_steps.steps)
    known = "It knows all of them" if spec.ahead else "It knows none of those after it"
    yield blocks.paragraph(f"What the model says at each of {count} {spec.noun}. {known}.")
    for each, places in zip(explanations, common_steps.places, strict=True):
        if len(places) < count:
            yield blocks.paragraph(
                f"{each.name} has {len(places)} of these {count} {spec.noun}; where it has "
                "none, its part of the figure is hatched."
            )
    for each in explanations:
        if isinstance(each.spec.view, Text):
            name, values = next(iter(each.explained.curves.items()))
            what, shares = _shares(name, values, each.explained.quantity)
            caption = f"{each.name}: the stronger the colour, the higher {what}"
            yield blocks.tokens(caption, _tokens(each, shares, each.explained.said))
    if len(explanations) > 1 or not isinstance(spec.view, Vectors):
        yield shown(drawing.course(explanations, common_steps))
        return
    yield blocks.paragraph("The curves stand below, beside what is read.")


def _shares(name: str, values: Array, quantity: str) -> tuple[str, Array]:
    """Say what the colour of a step shows, and how strong it is, from 0 to 1."""
    if quantity == "probability":
        return f"the probability of {name}", values
    low, high = values.min(), values.max()
    return f"{name}, from {low:.4g} to {high:.4g}", (values - low) / ((high - low) or 1)


def _depends(
    explanations: Sequence[Explanation], shown: Callable[[Drawn], Markup]
) -> Iterator[Markup]:
    names = dict.fromkeys(each.explained.name for each in explanations)
    yield blocks.paragraph(f"The number explained is {', or '.join(names)}.")
    for each in explanations:
        name, pushes = each.explained.name, each.dependence.pushes
        if isinstance(each.spec.view, Text) and each.spec.read is None:
            (values,) = pushes
            strongest = float(np.abs(values).max()) or 1.0
            caption = (
                f"{each.name}: blue raises {name}, orange lowers it; gradient times embedding, "
                f"at most {strongest:.3g}"
            )
            said = [f"{value:+.3g}" for value in values]
            yield blocks.tokens(caption, _tokens(each, values / strongest, said))
    for figure in drawing.figures_of(explanations):
        yield shown(figure)
    if any(each.attention is not None for each in explanations):
        yield blocks.paragraph(
            "Attention is the weight of each state of the encoder; a row sums to 1. Such a state "
            "also holds other steps that were read."
        )
    if any(each.spec.read is not None for each in explanations):
        yield blocks.paragraph(
            "How much a row depends on a step is the norm of a gradient, as a share of the row's "
            "largest."
        )
    yield blocks.paragraph(
        "A gradient says what a small change would do, not what would happen without a step."
    )


def _gates(
    explanations: Sequence[Explanation], shown: Callable[[Drawn], Markup]
) -> Iterator[Markup]:
    yield blocks.paragraph(
        "A row is a unit of the layer, a column a step. The rows have one order in all maps of a "
        "layer: by the step at which the unit's state is farthest from zero. Blue is above zero, "
        "orange below. Steps that a layer does not read are hatched."
    )
    for each in explanations:
        for layer_trace in each.layer_traces:
            yield shown(drawing.gates(each, layer_trace))


def _lags(
    explanations: Sequence[Explanation], shown: Callable[[Drawn], Markup]
) -> Iterator[Markup]:
    for each in explanations:
        yield shown(drawing.lags(each))
    summed = any(len(each.dependence.gradients) > 1 for each in explanations)
    names = dict.fromkeys(each.explained.name for each in explanations)
    yield blocks.paragraph(
        f"L is {', or '.join(names)}{', summed over the steps' if summed else ''}. "
        "The lag is how many steps a layer ran after the state. A state that an output reads "
        "has a part of the gradient that comes to it directly. Untrained is the same model with "
        "weights that its layers draw anew, by the seed of the run."
    )
    clips = {
        layer_trace.clip
        for each in explanations
        for layer_trace in each.layer_traces
        if layer_trace.clip is not None
    }
    if clips:
        yield blocks.paragraph(
            "In training, the gradient of the loss is cut to the clip at every step; here it is "
            "not, and L is not the loss."
        )


def _numbers(explanations: Sequence[Explanation], common_steps: Common) -> Iterator[Markup]:
    """List all that the colours say."""
    for each, places in zip(explanations, common_steps.places, strict=True):
        yield _steps(each, places)
        if each.attention is not None:
            yield _by_read(each, "what each step attends to", each.attention)
        if each.spec.read is not None:
            yield _by_read(each, "norm of the gradient at each step read", each.dependence.norms)


def _by_read(explanation: Explanation, title: str, values: Array) -> Markup:
    """List `values` `[steps, read]`."""
    spec, caption = explanation.spec, f"{explanation.name}: {title}"
    rows = [
        [step, *(f"{value:.3g}" for value in row)]
        for step, row in zip(spec.steps, values, strict=True)
    ]
    return blocks.folded(caption, blocks.table(caption, [spec.noun, *(spec.read or ())], rows))


def _steps(explanation: Explanation, places: Array) -> Markup:
    """List every step, with its place among those of all models."""
    spec, explained = explanation.spec, explanation.explained
    (name, values), *_ = explained.curves.items()
    rows = [
        [place + 1, step, said, "" if np.isnan(value) else f"{value:.4f}"]
        for place, step, said, value in zip(places, spec.steps, explained.said, values, strict=True)
    ]
    heads = ["step", spec.noun, "the model says", name]
    if spec.read is None and spec.source == spec.time:
        norms, pushes = explanation.dependence.norms[0], explanation.dependence.pushes[0]
        heads += ["norm of the gradient", "gradient times value"]
        for row, norm, push in zip(rows, norms, pushes, strict=True):
            row += [f"{norm:.3g}", f"{push:+.3g}"]
    caption = f"{explanation.name}, step by step"
    return blocks.folded(caption, blocks.table(caption, heads, rows))


def _tokens(explanation: Explanation, shares: Array, said: Sequence[str]) -> list[Token]:
    view = explanation.spec.view
    assert isinstance(view, Text)
    between = ["", *[view.between] * (len(view.tokens) - 1)]
    return [
        Token(before, token, None if np.isnan(share) else float(share), words)
        for before, token, share, words in zip(between, view.tokens, shares, said, strict=True)
    ]


def _shortened(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
