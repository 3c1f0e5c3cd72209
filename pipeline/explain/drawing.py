"""What was measured of an input, as figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure

from pipeline.explain import measure
from pipeline.explain.common import Common
from pipeline.explain.measure import Explanation, LayerTrace
from pipeline.explain.spec import Array, ExplainSpec, Picture, Vectors
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


def course(explanations: Sequence[Explanation], common_steps: Common) -> Drawn:
    """Draw what each model says after each step, one below the other, over common steps."""
    first, count = explanations[0], len(common_steps.steps)
    curves = [_first(each.explained.curves) for each in explanations]
    names = list(dict.fromkeys(name for each in curves for name in each))

    def drawing(explanation: Explanation, said: Mapping[str, Array], places: Array) -> Draw:
        def draw(axes: Any) -> None:
            placed = {name: _placed(values, places, count) for name, values in said.items()}
            _curves(axes, placed, names, explanation.explained.quantity)
            _hatch(axes, np.isin(np.arange(count), places))
            axes.set_title(explanation.name, loc="left", parse_math=False)

        return draw

    rows = list(map(drawing, explanations, curves, common_steps.places))
    figure = _stacked(rows, [1.9] * len(rows), common_steps.steps, first.spec.noun)
    title = f"{first.explained.quantity.capitalize()} after each step"
    ends = "; ".join(
        f"{each.name}: {', '.join(f'{name} {values[-1]:.3g}' for name, values in said.items())}"
        for each, said in zip(explanations, curves, strict=True)
    )
    return Drawn("course", title, f"Curves by step. After the last: {ends}.", figure)


def outputs(name: str, curves: Mapping[str, Array], steps: Sequence[str], noun: str) -> Drawn:
    """Draw what a model gives after each step, a curve for each number."""

    def draw(axes: Any) -> None:
        _curves(axes, _first(curves), list(curves), "output")

    said = ", ".join(f"{each} {values[-1]:.3g}" for each, values in _first(curves).items())
    title = f"{name}: outputs after each step"
    figure = _stacked([draw], [1.9], steps, noun)
    return Drawn(
        f"outputs-{_slug(name)}", title, f"Curves by step. After the last: {said}.", figure
    )


def gates(explanation: Explanation, layer_trace: LayerTrace) -> Drawn:
    """Draw gates and states of a layer over the steps that it reads."""
    return layer(explanation.name, steps_of(layer_trace, explanation.spec), layer_trace)


def layer(name: str, steps: Sequence[str], layer_trace: LayerTrace) -> Drawn:
    """Draw gates and states of a layer: a row is a unit, a column a step."""
    real = aligned(layer_trace.real.astype(float), steps) == 1
    state = next(iter(layer_trace.states.values()))
    units = measure.order(np.where(layer_trace.real[:, None], state, 0))
    maps = {
        **{f"gate {name}": each for name, each in layer_trace.gates.items()},
        **layer_trace.states,
    }

    def drawing(letter: str, values: Array) -> Draw:
        def draw(axes: Any) -> None:
            shown = np.where(real[:, None], aligned(values[:, units], steps), np.nan)
            _heat(axes, shown.T)
            _hatch(axes, real)
            axes.set(ylabel=letter, yticks=[])

        return draw

    way = (
        "from the last step to the first"
        if layer_trace.backwards
        else "from the first step to the last"
    )
    padded = int((~real).sum())
    description = (
        f"Heat maps of {len(units)} units, rows, over {len(steps)} steps, columns: "
        f"{', '.join(maps)}. Units are in the order in which they are most active. The layer "
        f"runs {way}; {padded} steps that it does not read are hatched."
    )
    figure = _stacked(
        [drawing(letter, values) for letter, values in maps.items()],
        [max(0.7, min(1.3, 0.04 * len(units)))] * len(maps),
        steps,
        "",
    )
    title = f"{name}: {layer_trace.layer}"
    return Drawn(f"gates-{_slug(name)}-{_slug(layer_trace.layer)}", title, description, figure)


def lags(explanation: Explanation) -> Drawn:
    """Draw dL/dstate against how many steps lie between, after training and before it."""
    curves = [
        (layer_trace, name, before.by_lag(name), layer_trace.by_lag(name))
        for layer_trace, before in zip(explanation.layer_traces, explanation.untrained, strict=True)
        for name in layer_trace.gradients
    ]

    def draw(axes: Any) -> None:
        for place, (layer_trace, name, before, after) in enumerate(curves):
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(_positive(after), color=colour, label=f"{layer_trace.layer} {name}, trained")
            label = "untrained" if before.any() else "untrained, zero"
            axes.plot(_positive(before), "--", color=colour, linewidth=1, label=label)
        for clip in {
            layer_trace.clip
            for layer_trace in explanation.layer_traces
            if layer_trace.clip is not None
        }:
            axes.axhline(clip, color=INK, linestyle=":", label=f"clip, {clip:g}")
        axes.set(yscale="log", xlabel="lag in steps", ylabel="|dL/dstate|")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(fontsize=7)

    said = "; ".join(
        f"{layer_trace.layer} {name}: from {after[0]:.2g} at lag 0 to {after[-1]:.2g} at lag "
        f"{len(after) - 1} after training, from {before[0]:.2g} to {before[-1]:.2g} before it"
        for layer_trace, name, before, after in curves
    )
    with figures.style():
        figure = Figure(figsize=(1.25 * PANEL, PANEL), layout="constrained")
        draw(figure.subplots())
    title = f"{explanation.name}: the gradient on its way back"
    return Drawn(f"lags-{_slug(explanation.name)}", title, f"Curves by lag. {said}.", figure)


def strip(explanation: Explanation, view: Vectors) -> Drawn:
    """Draw along the steps what is read, what the model says, and what one answer depends on."""
    spec, explained = explanation.spec, explanation.explained
    read, seen = _vectors(view)

    def says(axes: Any) -> None:
        curves = _first(explained.curves)
        _curves(axes, curves, list(curves), explained.quantity)

    def depends(axes: Any) -> None:
        axes.bar(range(len(spec.steps)), explanation.dependence.norms[0], color=COLOURS[0])
        axes.set(ylabel="|gradient|")

    draws, heights = [read, says], [1.6, 1.6]
    title = f"{explanation.name}: what is read, what it says meanwhile"
    description = (
        f"Above, {len(spec.steps)} {spec.noun}, {seen}; below them the curves of what the "
        "model says at each"
    )
    if spec.read is None:
        strongest = int(explanation.dependence.norms[0].argmax())
        draws, heights = [*draws, depends], [*heights, 1.0]
        title += ", what that depends on"
        description += (
            f"; below those how much {explained.name} depends on each, most on "
            f"{spec.steps[strongest]}, number {strongest + 1}"
        )
    figure = _stacked(draws, heights, spec.steps, spec.noun)
    return Drawn(f"strip-{_slug(explanation.name)}", title, f"{description}.", figure)


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
        if view.names:
            axes.set_yticks(range(len(view.names)), view.names, fontsize=7, parse_math=False)
        else:
            axes.yaxis.get_major_locator().set_params(integer=True)

    names = f", {', '.join(view.names)}," if view.names else ""
    return draw, f"each of {shown.shape[1]} rows{names} on a scale of its own"


def picture(explanation: Explanation, view: Picture) -> Drawn:
    """Draw, for each symbol that is written, on which pixels its probability depends."""
    spec, norms = explanation.spec, explanation.dependence.gradients
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
            panels, spec.steps, strength, curve, strict=False
        ):
            pixels = view.pixels.squeeze()
            axes.imshow(pixels, cmap="gray", alpha=0.5)
            axes.imshow(values, cmap=_SIGNED, vmin=-values.max(), vmax=values.max())
            axes.set_title(f"{step}\n{probability:.3f}", parse_math=False)
    said = ", ".join(f"{s} {p:.3f}" for s, p in zip(spec.steps, curve, strict=True))
    symbol = spec.noun.removesuffix("s")
    description = (
        f"The picture once for each {symbol}, with its probability: {said}. Pixels on which the "
        f"{symbol} depends are blue."
    )
    title = f"{explanation.name}: each {symbol}, and the pixels it depends on"
    return Drawn(f"picture-{_slug(explanation.name)}", title, description, figure)


def matrix(explanation: Explanation) -> Drawn:
    """Draw on which of what is read each step that is written depends."""
    norms = explanation.dependence.norms
    shares = norms / np.maximum(norms.max(-1, keepdims=True), 1e-30)
    title = f"what each of the {explanation.spec.noun}, a row, depends on"
    return _by_read("matrix", title, explanation, shares)


def attention(explanation: Explanation, scores: Array) -> Drawn:
    """Draw to which of what is read each step that is written attends."""
    title = f"what each of the {explanation.spec.noun}, a row, attends to"
    return _by_read("attention", title, explanation, scores)


def _by_read(kind: str, title: str, explanation: Explanation, values: Array) -> Drawn:
    """Draw `values` `[steps, read]`."""
    spec = explanation.spec
    read = spec.read or spec.steps
    with figures.style():
        width = 0.3 * len(read) if len(read) <= _NAMED else _WIDE
        size = (1.2 + width, 0.8 + 0.3 * len(spec.steps))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        _heat(axes, values)
        _name_steps(axes, read, "")
        axes.set_yticks(range(len(spec.steps)), spec.steps, parse_math=False)
    most = zip(spec.steps, values.argmax(-1), strict=True)
    said = "; ".join(f"{read[place]} for {step}" for step, place in most)
    return Drawn(
        f"{kind}-{_slug(explanation.name)}",
        f"{explanation.name}: {title}",
        f"A heat map: {title}. Most: {said}.",
        figure,
    )


def steps_of(layer_trace: LayerTrace, spec: ExplainSpec) -> Sequence[str]:
    """Return what a layer reads: what is read, unless it is the one that writes."""
    writes = spec.read is None or layer_trace.layer == "decoder"
    return spec.steps if writes else spec.read or ()


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
    """Draw every figure about the input itself."""
    for each in explanations:
        view = each.spec.view
        if isinstance(view, Vectors):
            yield strip(each, view)
        if isinstance(view, Picture):
            yield picture(each, view)
        if each.attention is not None:
            yield attention(each, each.attention)
        if each.spec.read is not None:
            yield matrix(each)
