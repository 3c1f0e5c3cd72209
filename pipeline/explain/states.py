"""`recurrent explain` without a run: the states of an artifact or a Keras file, step by step."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

import exports
from custom_layers import Tracer
from exports import declared, tracing
from exports.runtime.predictor import Predictor
from exports.runtime.tokens import TOKENIZERS, Vocabulary
from exports.signature import Arrays
from exports.text import TextEncoder
from pipeline import arrays, files, predictions
from pipeline.errors import PipelineError
from pipeline.explain import drawing, measure, spec
from pipeline.explain.drawing import Drawn
from pipeline.explain.measure import LayerTrace
from pipeline.explain.spec import Array
from pipeline.pages import figures, page
from pipeline.pages.page import Section, blocks

_LISTED = 8  # outputs of a step in the table


class _Read(NamedTuple):
    """An input: its name, its arrays by name, one row each, and its steps in words, if known."""

    name: str
    inputs: Arrays
    steps: Sequence[str] = ()


class _Seen(NamedTuple):
    """What is on a page.

    Attributes:
        name: of the model.
        given: the input.
        steps: of the input, in words, if these are known.
        layers: what the recurrent layers did.
        curves: by name, a number of the outputs after each step, `[steps]`.
    """

    name: str
    given: str
    steps: Sequence[str]
    layers: Sequence[LayerTrace]
    curves: Mapping[str, Array]

    def named(self, count: int) -> Sequence[str]:
        """Return the steps, or numbers where a layer has other ones."""
        known = len(self.steps) == count
        return self.steps if known else [str(step + 1) for step in range(count)]


def of_artifact(directory: Path, given: str, path: Path, folder: Path | None = None) -> None:
    """Write the page `path` about the states of an artifact's step model.

    Args:
        directory: of the artifact.
        given: a text, a sound file or a file of arrays, whose first row is read.
        path: of the page.
        folder: where to put the figures for papers, too, if wanted.

    Raises:
        ExportError: the artifact is damaged, has no step model, or does not take `given`.
        PipelineError: a file cannot be read or written.
    """
    predictor = Predictor(directory)
    predictor.stream()
    read = _read(predictor, given)
    trace = predictor.trace(read.inputs)
    after = {name: values[0] for name, values in trace.outputs.items()}
    states = {name: values[0] for name, values in trace.states.items()}
    curves = _curves(after, predictor.labels)
    name = directory.resolve().name
    _write(_Seen(name, read.name, read.steps, _layers(states), curves), path, folder)


def of_keras_file(file: Path, given: str, path: Path, folder: Path | None = None) -> None:
    """Write the page `path` about gates and states of the layers of ours in a Keras file.

    Args:
        file: of the model.
        given: a file of arrays, whose first row is read.
        path: of the page.
        folder: where to put the figures for papers, too, if wanted.

    Raises:
        ExportError: Keras cannot load the file, or it does not take `given`.
        PipelineError: it has no layer of ours, or a file cannot be read or written.
    """
    model = exports.read_keras(file)
    signature = declared.signature(model)
    if Path(given).suffix not in arrays.SUFFIXES:
        predictions.reject_no_arrays(file, signature, given)
    inputs = _first_row(signature.name_inputs(arrays.read(Path(given))))
    try:
        tracer = Tracer(model)
    except ValueError as error:
        raise PipelineError(
            f"{file} has no recurrent layer of custom_layers, whose gates can be seen. Export it "
            f"with its states, and explain that: recurrent export {file} --streaming"
        ) from error
    layers = measure.traces(tracer, model, spec.given(inputs))
    outputs = tracing.as_given(model, signature)(inputs)
    count = len(layers[0].real)
    timed = {name: values[0] for name, values in outputs.items() if values.shape[1:2] == (count,)}
    _write(_Seen(file.name, f"{given}, row 1", (), layers, _curves(timed)), path, folder)


def _read(predictor: Predictor, given: str) -> _Read:
    """Read what the user typed as a model takes it."""
    artifact, file = predictor.artifact, Path(given)
    config = artifact.config
    if file.suffix in arrays.SUFFIXES and file.is_file():
        inputs = artifact.signature.name_inputs(arrays.read(file))
        return _Read(f"{given}, row 1", _first_row(inputs))
    name = artifact.signature.inputs[0].name
    if config.sound:
        return _Read(given, predictions.hear(artifact, file))
    if predictor.reads_words:
        sentences = predictor.read_sentences([given])
        return _Read(given, sentences.inputs, sentences.words[0])
    if config.text:
        encoder = TextEncoder.recorded(artifact)
        ids = encoder([given]).numpy()
        tokens = encoder.split(given)[: ids.shape[1]]
        return _Read(given, {name: ids}, [*tokens, *["padding"] * (ids.shape[1] - len(tokens))])
    if config.writing and config.writing.start is None:
        tokens = TOKENIZERS[config.writing.unit].split(given) or ["\n"]
        ids = Vocabulary(tuple(artifact.labels or ())).encode(tokens)
        return _Read(given, {config.writing.previous: ids[None]}, list(map(_visible, tokens)))
    predictions.reject_no_arrays(artifact.directory, artifact.signature, given)


def _first_row(inputs: Arrays) -> Arrays:
    return {name: values[:1] for name, values in inputs.items()}


def _visible(token: str) -> str:
    return token if token.strip() else json.dumps(token)


def _layers(states: Mapping[str, Array]) -> list[LayerTrace]:
    """Gather the states of each layer, which are called LAYER.STATE, `[steps, units]`."""
    gathered: dict[str, dict[str, Array]] = {}
    for name, values in states.items():
        layer, _, state = name.rpartition(".")
        gathered.setdefault(layer, {})[state] = values.reshape(len(values), -1)
    return [
        LayerTrace(layer, False, {}, each, np.ones(len(next(iter(each.values()))), bool), {}, None)
        for layer, each in gathered.items()
    ]


def _write(seen: _Seen, path: Path, folder: Path | None) -> None:
    drawn: list[Drawn] = []

    def shown(figure: Drawn) -> Markup:
        drawn.append(figure)
        return figures.picture(figure.figure, figure.title, figure.description)

    sections = [
        Section("Outputs, step by step", list(_outputs(seen, shown))),
        Section("Gates and states", list(_gates(seen, shown))),
        Section("Every step in numbers", list(_tables(seen))),
    ]
    introduction = (
        f"“{seen.given}”, read by {seen.name}. The page of a run also shows what the answer "
        "depends on."
    )
    title = f"{seen.name}: {Path(seen.given).name}"
    files.write(path, page.render(title, introduction, [each for each in sections if each.content]))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for figure in drawn:
            figures.save(figure.figure, folder / figure.file)


def _outputs(seen: _Seen, shown: Callable[[Drawn], Markup]) -> Iterator[Markup]:
    if seen.curves:
        (first, *_) = seen.curves.values()
        yield blocks.paragraph("The outputs for the steps that were read so far.")
        yield shown(drawing.outputs(seen.name, seen.curves, seen.named(len(first)), "step"))


def _gates(seen: _Seen, shown: Callable[[Drawn], Markup]) -> Iterator[Markup]:
    yield blocks.paragraph(
        "A row is a unit of the layer, a column a step. Blue is above zero, orange below. Steps "
        "that a layer does not read are hatched."
    )
    for each in seen.layers:
        yield shown(drawing.layer(seen.name, seen.named(len(each.real)), each))


def _tables(seen: _Seen) -> Iterator[Markup]:
    """List what the pictures show."""
    tables: dict[str, Mapping[str, Array]] = {}
    if seen.curves:
        tables["outputs"] = dict(itertools.islice(seen.curves.items(), _LISTED))
    for layer in seen.layers:
        parts = {**{f"gate {letter}": each for letter, each in layer.gates.items()}, **layer.states}
        for part, values in parts.items():
            units = {f"unit {unit + 1}": each for unit, each in enumerate(values.T)}
            tables[f"{layer.layer} {part}"] = units
    for title, columns in tables.items():
        (first, *_) = columns.values()
        rows = [
            [step, *(f"{values[place]:.4g}" for values in columns.values())]
            for place, step in enumerate(seen.named(len(first)))
        ]
        caption = f"{seen.name}: {title}"
        yield blocks.folded(caption, blocks.table(caption, ["step", *columns], rows))


def _curves(outputs: Arrays, labels: Sequence[str] | None = None) -> dict[str, Array]:
    """Name each number of the outputs, `[steps, ...]`, by its label or its place.

    The one with the largest value comes first.
    """
    curves: dict[str, Array] = {}
    for name, values in outputs.items():
        flat = values.reshape(len(values), -1)
        if labels and flat.shape[1] == len(labels):
            names = list(labels)
        else:
            names = [f"{name} {place + 1}" for place in range(flat.shape[1])]
        curves |= dict(zip(names if names[1:] else [name], flat.T, strict=True))
    return dict(sorted(curves.items(), key=lambda item: -float(np.abs(item[1]).max())))
