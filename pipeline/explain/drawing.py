"""What was measured of a subject, as figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure

from pipeline.explain import measure
from pipeline.explain.common import Common
from pipeline.explain.measure import Explanation, Walk
from pipeline.explain.reading import Array, Numbers, Path, Picture, Reading, Strip, Vectors
from pipeline.pages import figures
from pipeline.pages.figures import COLOURS, INK, PANEL

Draw = Callable[[Any], None]  # on axes

_WIDE = 5.6  # inches; two stand side by side on a wide page
_NAMED = 48  # steps that have room for their names
_COMMON = 0.99  # of the values are within the scale of a map
_USUAL = 0.9  # of the numbers of a feature are within its own scale
_LABELS = 6  # curves that are told apart

# Zero is the page's own ground, so that a map is seen on a light page and on a dark one.
_BLUE, _ORANGE = COLOURS[:2]
_FRACTION = LinearSegmentedColormap.from_list("fraction", [to_rgba(_BLUE, 0), to_rgba(_BLUE)])
_SIGNED = LinearSegmentedColormap.from_list(
    "signed", [to_rgba(_ORANGE), to_rgba(_ORANGE, 0), to_rgba(_BLUE, 0), to_rgba(_BLUE)]
)


class Drawn(NamedTuple):
    """A figure, the name of its file, its title, and what it shows, in words."""

    file: str
    title: str
    description: str
    figure: Figure


def course(explanations: Sequence[Explanation], together: Common) -> Drawn:
    """Draw what each model says after each step, one below the other, over common steps."""
    first, count = explanations[0], len(together.steps)
    curves = [_first(each.explained.curves) for each in explanations]
    names = list(dict.fromkeys(name for each in curves for name in each))

    def drawing(explanation: Explanation, said: Mapping[str, Array], places: Array) -> Draw:
        def draw(axes: Any) -> None:
            placed = {name: _placed(values, places, count) for name, values in said.items()}
            _curves(axes, placed, names, explanation.explained.quantity)
            _hatch(axes, np.isin(np.arange(count), places))
            axes.set_title(explanation.name, loc="left", parse_math=False)

        return draw

    rows = list(map(drawing, explanations, curves, together.places))
    figure = _stacked(rows, [1.9] * len(rows), together.steps, first.reading.noun)
    title = f"{first.explained.quantity.capitalize()} after each step"
    ends = "; ".join(
        f"{each.name}: {', '.join(f'{name} {values[-1]:.3g}' for name, values in said.items())}"
        for each, said in zip(explanations, curves, strict=True)
    )
    return Drawn("course", title, f"Curves by step. After the last: {ends}.", figure)


def gates(explanation: Explanation, walk: Walk) -> Drawn:
    """Draw gates and states of a layer: a row is a unit, a column a step."""
    steps = steps_of(walk, explanation.reading)
    real = aligned(walk.real.astype(float), steps) == 1
    state = next(iter(walk.states.values()))
    units = measure.order(np.where(walk.real[:, None], state, 0))
    maps = {**{f"gate {name}": each for name, each in walk.gates.items()}, **walk.states}

    def drawing(name: str, values: Array) -> Draw:
        def draw(axes: Any) -> None:
            shown = np.where(real[:, None], aligned(values[:, units], steps), np.nan)
            _heat(axes, shown.T)
            _hatch(axes, real)
            axes.set(ylabel=name, yticks=[])

        return draw

    way = "from the last step to the first" if walk.backwards else "from the first step to the last"
    padded = int((~real).sum())
    description = (
        f"Heat maps of {len(units)} units, rows, over {len(steps)} steps, columns: "
        f"{', '.join(maps)}. Units are in the order in which they are most active. The layer "
        f"walks {way}; {padded} steps that it does not read are hatched."
    )
    figure = _stacked(
        [drawing(name, values) for name, values in maps.items()],
        [max(0.7, min(1.3, 0.04 * len(units)))] * len(maps),
        steps,
        "",
    )
    title = f"{explanation.name}: {walk.layer}"
    return Drawn(f"gates-{_slug(explanation.name)}-{_slug(walk.layer)}", title, description, figure)


def lags(explanation: Explanation) -> Drawn:
    """Draw dL/dstate against how many steps lie between, after training and before it."""
    curves = [
        (walk, name, before.by_lag(name), walk.by_lag(name))
        for walk, before in zip(explanation.walks, explanation.untrained, strict=True)
        for name in walk.gradients
    ]

    def draw(axes: Any) -> None:
        for place, (walk, name, before, after) in enumerate(curves):
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(_positive(after), color=colour, label=f"{walk.layer} {name}, trained")
            label = "untrained" if before.any() else "untrained, zero"
            axes.plot(_positive(before), "--", color=colour, linewidth=1, label=label)
        for clip in {walk.clip for walk in explanation.walks if walk.clip is not None}:
            axes.axhline(clip, color=INK, linestyle=":", label=f"clip, {clip:g}")
        axes.set(yscale="log", xlabel="lag in steps", ylabel="|dL/dstate|")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(fontsize=7)

    said = "; ".join(
        f"{walk.layer} {name}: from {after[0]:.2g} at lag 0 to {after[-1]:.2g} at lag "
        f"{len(after) - 1} after training, from {before[0]:.2g} to {before[-1]:.2g} before it"
        for walk, name, before, after in curves
    )
    with figures.style():
        figure = Figure(figsize=(1.25 * PANEL, PANEL), layout="constrained")
        draw(figure.subplots())
    title = f"{explanation.name}: the gradient on its way back"
    return Drawn(f"lags-{_slug(explanation.name)}", title, f"Curves by lag. {said}.", figure)


def strip(explanation: Explanation, view: Strip) -> Drawn:
    """Draw along the steps what is read, what the model says, and what the answer depends on."""
    reading, explained = explanation.reading, explanation.explained
    read, seen = _vectors(view) if isinstance(view, Vectors) else _numbers(view)

    def says(axes: Any) -> None:
        curves = _first(explained.curves)
        _curves(axes, curves, list(curves), explained.quantity)

    def depends(axes: Any) -> None:
        axes.bar(range(len(reading.steps)), explanation.dependence.norms[0], color=COLOURS[0])
        axes.set(ylabel="|gradient|")

    strongest = int(explanation.dependence.norms[0].argmax())
    description = (
        f"Above, {len(reading.steps)} {reading.noun}, {seen}; below them the curves of what the "
        f"model says after each; below those how much {explained.name} depends on each, most on "
        f"{reading.steps[strongest]}, number {strongest + 1}."
    )
    figure = _stacked([read, says, depends], [1.6, 1.6, 1.0], reading.steps, reading.noun)
    title = f"{explanation.name}: what is read, what it says meanwhile, what that depends on"
    return Drawn(f"strip-{_slug(explanation.name)}", title, description, figure)


def _vectors(view: Vectors) -> tuple[Draw, str]:
    centred = view.values - np.median(view.values, 0)
    usual = np.quantile(np.abs(centred), _USUAL, axis=0)
    shown = np.clip(centred / np.where(usual > 0, usual, 1), -1, 1)
    empty = (view.values == 0).all(-1)

    def draw(axes: Any) -> None:
        _heat(axes, np.where(empty[:, None], np.nan, shown).T)
        _hatch(axes, ~empty)
        axes.set(ylabel=view.feature)
        axes.invert_yaxis()
        axes.yaxis.get_major_locator().set_params(integer=True)

    return draw, f"each of {shown.shape[1]} rows on a scale of its own"


def _numbers(view: Numbers) -> tuple[Draw, str]:
    steps = np.arange(len(view.values))

    def draw(axes: Any) -> None:
        for chosen, options in (
            (~view.marked, {"color": INK, "alpha": 0.5, "markersize": 2}),
            (view.marked, {"color": COLOURS[1], "label": "marked", "markersize": 7}),
        ):
            axes.plot(steps[chosen], view.values[chosen], "o", **options)
        axes.set(ylabel="number")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    return draw, f"as dots, the {view.marked.sum()} that are marked in another colour"


def path(explanation: Explanation, view: Path) -> Drawn:
    """Draw a path from above and its height over time, with where the model expects it to go."""
    told, past = explanation.answers, view.positions
    moments = np.arange(len(past)) / view.rate

    def lines(axes: Any, first: int, second: int) -> None:
        axes.plot(past[:, first], past[:, second], ".-", color=INK, label="read")
        for step, ahead in enumerate(told):
            way = np.concatenate([past[step : step + 1], ahead])
            last = step == len(told) - 1
            options = {"label": "expected"} if last else {"alpha": 0.15 + 0.35 * step / len(told)}
            axes.plot(way[:, first], way[:, second], "x-", color=COLOURS[0], linewidth=1, **options)
        if view.future is not None:
            axes.plot(
                view.future[:, first], view.future[:, second], "o", color=COLOURS[1], label="came"
            )

    with figures.style():
        figure = Figure(figsize=(_WIDE, PANEL), layout="constrained")
        above, side, depends = figure.subplots(1, 3)
        lines(above, 0, 1)
        above.set(xlabel="x, metres", ylabel="y, metres", aspect="equal", adjustable="datalim")
        above.legend(fontsize=7)
        lines(side, 0, 2)
        side.set(xlabel="x, metres", ylabel="height, metres")
        depends.bar(
            moments - moments[-1],
            explanation.dependence.norms[0],
            0.8 / view.rate,
            color=COLOURS[0],
        )
        depends.set(xlabel="seconds", ylabel="|gradient| by the position")
    ends = "; ".join(" ".join(f"{each:.2f}" for each in moment) for moment in told[-1])
    description = (
        f"A path of {len(past)} positions from above and from the side, with where the model "
        f"expects it after each of them; after the last: {ends} metres. Beside it, how much "
        f"{explanation.explained.name} depends on each position."
    )
    title = f"{explanation.name}: the path, and where it is expected to go"
    return Drawn(f"path-{_slug(explanation.name)}", title, description, figure)


def picture(explanation: Explanation, view: Picture) -> Drawn:
    """Draw, for each symbol that is written, on which pixels its probability depends."""
    reading, norms = explanation.reading, explanation.dependence.gradients
    (curve,) = explanation.explained.curves.values()
    strength = np.sqrt(np.square(norms).sum(-1))
    columns = min(len(strength), 6)
    rows = -(-len(strength) // columns)
    with figures.style():
        figure = Figure(figsize=(1.2 * columns, 1.6 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, step, values, probability in zip(
            panels, reading.steps, strength, curve, strict=False
        ):
            pixels = view.pixels.squeeze()
            axes.imshow(pixels, cmap="gray", alpha=0.5)
            axes.imshow(values, cmap=_SIGNED, vmin=-values.max(), vmax=values.max())
            axes.set_title(f"{step}\n{probability:.3f}", parse_math=False)
    said = ", ".join(f"{s} {p:.3f}" for s, p in zip(reading.steps, curve, strict=True))
    description = (
        f"The picture once for each letter, with its probability: {said}. Pixels on which the "
        "letter depends are blue."
    )
    title = (
        f"{explanation.name}: each {reading.noun.removesuffix('s')}, and the pixels it depends on"
    )
    return Drawn(f"picture-{_slug(explanation.name)}", title, description, figure)


def matrix(explanation: Explanation) -> Drawn:
    """Draw on which of what is read each step that is written depends."""
    reading, norms = explanation.reading, explanation.dependence.norms
    read = reading.read or reading.steps
    shown = norms / np.maximum(norms.max(-1, keepdims=True), 1e-30)
    with figures.style():
        width = 0.3 * len(read) if len(read) <= _NAMED else _WIDE
        size = (1.2 + width, 0.8 + 0.3 * len(reading.steps))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        _heat(axes, shown)
        _name_steps(axes, read, "")
        axes.set_yticks(range(len(reading.steps)), reading.steps, parse_math=False)
    said = "; ".join(
        f"{step} on {read[int(row.argmax())]}"
        for step, row in zip(reading.steps, norms, strict=True)
    )
    title = f"{explanation.name}: what each of the {reading.noun}, a row, depends on"
    return Drawn(f"matrix-{_slug(explanation.name)}", title, f"A heat map. Most: {said}.", figure)


def steps_of(walk: Walk, reading: Reading) -> Sequence[str]:
    """Return what a layer walks over: what is read, unless it is the one that writes."""
    writes = reading.read is None or walk.layer == "decoder"
    return reading.steps if writes else reading.read or ()


def aligned(values: Array, steps: Sequence[str]) -> Array:
    """Put not-a-number before `values` of the last of `steps`, for those that are not looked at."""
    missing = max(0, len(steps) - len(values))
    return np.concatenate([np.full((missing, *values.shape[1:]), np.nan), values])


def _stacked(
    draws: Sequence[Draw], heights: Sequence[float], steps: Sequence[str], noun: str
) -> Figure:
    """Draw one above the other, over the same steps, which are named once, below."""
    with figures.style():
        size = (_WIDE, sum(heights) + 0.8)
        figure = Figure(figsize=size, layout="constrained")
        rows = figure.subplots(len(draws), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        for axes, draw in zip(rows, draws, strict=True):
            draw(axes)
        _name_steps(rows[-1], steps, noun)
    return figure


def _first(curves: Mapping[str, Array]) -> dict[str, Array]:
    """Return as many curves as are told apart."""
    return dict(list(curves.items())[:_LABELS])


def _placed(values: Array, places: Array, count: int) -> Array:
    """Put `values` at their places of `count`, not-a-number at the others."""
    found = np.full(count, np.nan)
    found[places] = values
    return found


def _curves(axes: Any, curves: Mapping[str, Array], names: Sequence[str], quantity: str) -> None:
    """Draw curves, each in the colour that its place in `names` has."""
    for name, values in curves.items():
        colour = COLOURS[names.index(name) % len(COLOURS)]
        axes.plot(values, ".-", color=colour, label=name, markersize=3)
    if quantity == "probability":
        axes.set_ylim(-0.02, 1.02)
    axes.set(ylabel=quantity)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _heat(axes: Any, values: Array) -> None:
    """Draw a map of `values`; those from 0 to 1 are seen on the whole of that scale.

    A few that are far beyond the others are drawn as the strongest of these.
    """
    size = np.abs(values)
    fraction = np.nanmin(values) >= 0 and np.nanmax(size) <= 1
    strongest = float(np.nanquantile(size, _COMMON)) or float(np.nanmax(size)) or 1.0
    low, high = (0.0, 1.0) if fraction else (-strongest, strongest)
    image = axes.imshow(
        values,
        cmap=_FRACTION if fraction else _SIGNED,
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="none",
    )
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.02, pad=0.01)
    bar.set_ticks([low, 0, high])
    bar.ax.yaxis.set_major_formatter("{x:.2g}")


def _hatch(axes: Any, real: Array) -> None:
    """Hatch the steps that are not real."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], real, [True]]).astype(int)))
    for start, stop in edges.reshape(-1, 2):
        axes.axvspan(
            start - 0.5, stop - 0.5, facecolor="none", edgecolor=INK, hatch="////", linewidth=0
        )


def _name_steps(axes: Any, steps: Sequence[str], noun: str) -> None:
    if len(steps) <= _NAMED:
        axes.set_xticks(range(len(steps)), steps, rotation=90, fontsize=7, parse_math=False)
    if noun:
        axes.set_xlabel(noun)


def _positive(values: Array) -> Array:
    """Leave out zeros, which a logarithmic axis lacks."""
    return np.where(values > 0, values, np.nan)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")


def figures_of(explanations: Sequence[Explanation]) -> Iterator[Drawn]:
    """Draw every figure about the subject itself."""
    for each in explanations:
        view = each.reading.view
        if isinstance(view, Strip) and each.reading.read is None:
            yield strip(each, view)
        elif isinstance(view, Path):
            yield path(each, view)
        elif isinstance(view, Picture):
            yield picture(each, view)
        elif each.reading.read is not None:
            yield matrix(each)
