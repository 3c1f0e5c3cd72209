"""The page of `recurrent explain`: what models make of one subject."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from pipeline import files
from pipeline.explain import drawing
from pipeline.explain.common import Common, common
from pipeline.explain.drawing import Drawn
from pipeline.explain.measure import Explanation
from pipeline.explain.reading import Array, Strip, Text
from pipeline.pages import figures, page
from pipeline.pages.page import Section, Token

_TITLE = 60  # letters of a subject in the title
_QUOTED = 400  # letters of a subject in the introduction


def write(title: str, explanations: Sequence[Explanation], path: Path, folder: Path | None) -> None:
    """Write the page `path`, and its figures to `folder`, for papers.

    Args:
        title: stands above the subject's name.
        explanations: what each model makes of the same subject.
        path: of the page.
        folder: of the figures, as SVG and PNG; None: they are on the page only.

    Raises:
        PipelineError: a file cannot be written.
    """
    drawn: list[Drawn] = []

    def shown(figure: Drawn) -> Markup:
        drawn.append(figure)
        return figures.picture(figure.figure, figure.title, figure.description)

    name = explanations[0].reading.name
    together = common([each.reading.steps for each in explanations])
    sections = [
        Section("What it says, step by step", list(_says(explanations, together, shown))),
        Section("What the answer depends on", list(_depends(explanations, shown))),
        Section("Gates and states", list(_gates(explanations, shown))),
        Section("The gradient on its way back", list(_lags(explanations, shown))),
        Section("Every step in numbers", list(map(_numbers, explanations, together.places))),
    ]
    introduction = f"“{_shortened(name, _QUOTED)}”. {_answers(explanations)}"
    heading = f"{title}: {_shortened(name, _TITLE)}"
    files.write(path, page.render(heading, introduction, sections))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for figure in drawn:
            figures.save(figure.figure, folder / figure.file)


def _answers(explanations: Sequence[Explanation]) -> str:
    said = (f"{each.name} answers: {each.explained.answer}" for each in explanations)
    return "; ".join(said) + "."


def _says(
    explanations: Sequence[Explanation], together: Common, shown: Callable[[Drawn], Markup]
) -> Iterator[Markup]:
    reading, count = explanations[0].reading, len(together.steps)
    known = (
        "it has read all of them" if reading.ahead else "at none of them does it know those after"
    )
    yield page.paragraph(f"What the model says along the {count} {reading.noun}; {known}.")
    for each, places in zip(explanations, together.places, strict=True):
        if len(places) < count:
            yield page.paragraph(
                f"{each.name} has {len(places)} of these {count} {reading.noun}; where it has "
                "none, its part of the figure is hatched."
            )
    for each in explanations:
        if isinstance(each.reading.view, Text) and each.reading.read is None:
            name, values = next(iter(each.explained.curves.items()))
            caption = (
                f"{each.name}: the stronger the colour, the higher the {each.explained.quantity} "
                f"of {name}"
            )
            yield page.tokens(caption, _tokens(each, values, each.explained.said))
    if len(explanations) > 1 or reading.read or not isinstance(reading.view, Strip):
        yield shown(drawing.course(explanations, together))
        return
    yield page.paragraph("The curves stand below, beside what is read.")


def _depends(
    explanations: Sequence[Explanation], shown: Callable[[Drawn], Markup]
) -> Iterator[Markup]:
    for each in explanations:
        name, pushes = each.explained.name, each.dependence.pushes
        if isinstance(each.reading.view, Text) and each.reading.read is None:
            (values,) = pushes
            strongest = float(np.abs(values).max()) or 1.0
            caption = (
                f"{each.name}: blue raises {name}, orange lowers it; gradient times embedding, "
                f"at most {strongest:.3g}"
            )
            said = [f"{value:+.3g}" for value in values]
            yield page.tokens(caption, _tokens(each, values / strongest, said))
    for figure in drawing.figures_of(explanations):
        yield shown(figure)
    yield page.paragraph(
        "A gradient says what a small change would do, not what would happen without a step."
    )


def _gates(
    explanations: Sequence[Explanation], shown: Callable[[Drawn], Markup]
) -> Iterator[Markup]:
    yield page.paragraph(
        "A row is a unit of the layer, a column a step. The rows have one order in all maps of a "
        "layer: by the step at which the unit's state is farthest from zero. Blue is above zero, "
        "orange below. Steps that a layer does not read are hatched."
    )
    for each in explanations:
        for walk in each.walks:
            yield shown(drawing.gates(each, walk))


def _lags(
    explanations: Sequence[Explanation], shown: Callable[[Drawn], Markup]
) -> Iterator[Markup]:
    for each in explanations:
        yield shown(drawing.lags(each))
    summed = any(len(each.dependence.gradients) > 1 for each in explanations)
    names = dict.fromkeys(each.explained.name for each in explanations)
    yield page.paragraph(
        f"L is {', or '.join(names)}{', summed over the steps' if summed else ''}. "
        "The lag is how many steps a layer walked after the state. A state that an output reads "
        "has a part of the gradient that comes to it directly. Untrained is the same model with "
        "weights that its layers draw anew, by the seed of the run."
    )
    clips = {walk.clip for each in explanations for walk in each.walks if walk.clip is not None}
    if clips:
        yield page.paragraph(
            "In training, the gradient of the loss is cut to the clip at every step; here it is "
            "not, and L is not the loss."
        )


def _numbers(explanation: Explanation, places: Array) -> Markup:
    """List every step, with its place among those of all models: all that the colours say."""
    reading, explained = explanation.reading, explanation.explained
    (name, values), *_ = explained.curves.items()
    rows = [
        [place + 1, step, said, "" if np.isnan(value) else f"{value:.4f}"]
        for place, step, said, value in zip(
            places, reading.steps, explained.said, values, strict=True
        )
    ]
    heads = ["step", reading.noun, "the model says", name]
    if reading.read is None and reading.source == reading.time:
        norms, pushes = explanation.dependence.norms[0], explanation.dependence.pushes[0]
        heads += ["norm of the gradient", "gradient times value"]
        for row, norm, push in zip(rows, norms, pushes, strict=True):
            row += [f"{norm:.3g}", f"{push:+.3g}"]
    caption = f"{explanation.name}, step by step"
    return page.folded(caption, page.table(caption, heads, rows))


def _tokens(explanation: Explanation, shares: Array, said: Sequence[str]) -> list[Token]:
    view = explanation.reading.view
    assert isinstance(view, Text)
    between = ["", *[view.between] * (len(view.tokens) - 1)]
    return [
        Token(before, token, None if np.isnan(share) else float(share), words)
        for before, token, share, words in zip(between, view.tokens, shares, said, strict=True)
    ]


def _shortened(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
