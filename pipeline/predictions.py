"""`recurrent predict` without a run: what an artifact or a Keras file gives for each INPUT."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from exports import formats
from exports.answers import Answer, Forecast, Label, Labels, Numbers, Row, Spans
from exports.artifact import Artifact
from exports.errors import InvalidInputError
from exports.runtime.predictor import Predictor
from exports.schema import ENCODE, SOUND
from exports.signature import Arrays, Signature
from pipeline import arrays

_DIGITS = 6  # of a number that is shown


def of_artifact(directory: Path, inputs: Sequence[str]) -> Iterator[str]:
    """Give lines for each of `inputs`: a text, a sound file or a file of arrays.

    Neither TensorFlow nor Keras is loaded, if a format is there that needs none.

    Raises:
        ExportError: the artifact is damaged, or does not take one of `inputs`.
        PipelineError: a file cannot be read.
    """
    predictor = open_quietly(directory)
    config = predictor.artifact.config
    for given in inputs:
        path = Path(given)
        if path.suffix in arrays.SUFFIXES and path.is_file():
            yield from _of_arrays(predictor, path)
        elif config.sound:
            features = hear(predictor.artifact, path)
            yield from _told(predictor, predictor.predict(features), [given], features)
        elif predictor.reads_words:
            sentences = predictor.read_sentences([given])
            outputs = predictor.predict(sentences.inputs)
            yield from _told(predictor, outputs, [given], sentences.words)
        elif config.writing and (config.writing.source or config.writing.start is None):
            yield from _written(predictor, [given], [given])
        elif config.text:
            (prediction,) = predictor.predict_text([given])
            outputs = {name: values[None] for name, values in prediction.outputs.items()}
            yield from _told(predictor, outputs, [" ".join(given.split())], [given])
        else:
            reject_no_arrays(directory, predictor.signature, given)


def open_quietly(directory: Path) -> Predictor:
    """Open an artifact; TensorFlow is loaded without its chatter if no other runtime can answer.

    Raises:
        ExportError: the artifact is damaged.
    """
    predictor = Predictor(directory)
    if predictor.format == "saved_model":
        from pipeline import quiet

        quiet.load_tensorflow()
    return predictor


def of_keras_file(path: Path, inputs: Sequence[str]) -> Iterator[str]:
    """Give a line with the outputs of each row, by name, for each of `inputs`, a file of arrays.

    Raises:
        ExportError: Keras cannot load the file, or does not take one of `inputs`.
        PipelineError: a file cannot be read.
    """
    import exports
    from exports import declared, tracing

    model = exports.read_keras(path)
    signature = declared.signature(model)
    run = tracing.as_given(model, signature)
    for given in inputs:
        file = Path(given)
        if file.suffix not in arrays.SUFFIXES:
            reject_no_arrays(path, signature, given)
        yield from _lines(run(signature.name_inputs(arrays.read(file))))


def hear(artifact: Artifact, path: Path) -> Arrays:
    """Return what a model that hears takes of a sound file, by the name of its input.

    Raises:
        ExportError: the artifact is damaged.
        PipelineError: it is no sound file.
    """
    from pipeline.data import sound

    assert artifact.config.sound is not None
    samples = sound.read(path, artifact.config.sound.rate)
    front = next(iter(formats.runs(artifact, SOUND).values()))
    (features,) = front({"samples": samples[None]}).values()
    return {artifact.signature.inputs[0].name: features}


def reject_no_arrays(path: Path, signature: Signature, given: str) -> NoReturn:
    """Raise, because a model takes arrays and is given something else.

    Raises:
        InvalidInputError: always.
    """
    wanted = ", ".join(
        f"{each.name} {each.dtype} [{', '.join(map(str, each.dimensions()))}]"
        for each in signature.inputs
    )
    raise InvalidInputError(
        f"{path} takes arrays, {wanted}, and {given!r} is no file of them: give a .npy, .npz or "
        ".json file."
    )


def _of_arrays(predictor: Predictor, path: Path) -> Iterator[str]:
    given = arrays.read(path)
    reading = predictor.artifact.config.signatures.get(ENCODE)
    if reading and _names(given, reading) == {each.name for each in reading.inputs}:
        read = reading.name_inputs(given)
        yield from _written(predictor, read, _rows(path, read))
        return
    inputs = predictor.read_inputs(given)
    yield from _told(predictor, predictor.predict(inputs), _rows(path, inputs), inputs)


def _rows(path: Path, inputs: Arrays) -> list[str]:
    """Name the rows of a file."""
    count = len(next(iter(inputs.values())))
    return [f"{path}, row {row + 1}" for row in range(count)]


def _names(given: Any, signature: Signature) -> set[str]:
    """Name the inputs that are given; one array is for the one input."""
    return set(given) if isinstance(given, Mapping) else {signature.inputs[0].name}


def _written(predictor: Predictor, read: Any, names: Sequence[str]) -> Iterator[str]:
    """Give what a model writes for each row with its probability, or how it goes on with a text."""
    if predictor.writing.start is None:
        yield from predictor.generate(read)
        return
    for (best, *_), name in zip(predictor.hypotheses(read), names, strict=True):
        yield f"{best.text}\t{best.probability:.3f}\t{name}"


def _told(
    predictor: Predictor,
    outputs: Arrays,
    names: Sequence[str],
    read: Mapping[str, Any] | Sequence[Row],
) -> Iterator[str]:
    """Give what the outputs of each row mean, and its name; or the outputs, if that is not known.

    `read` are the inputs by name, or the text or the words of each row.
    """
    labels, scores = predictor.labels, outputs[predictor.signature.outputs[0].name]
    if kind := predictor.artifact.config.answer:
        answers = [_worded(kind, each) for each in predictor.answers(outputs, read)]
    elif labels is not None and scores.shape[1:] == (len(labels),):
        answers = [_worded(Label(), Label().answer(row, labels, "")) for row in scores]
    else:
        yield from _lines(outputs)
        return
    for answer, name in zip(answers, names, strict=True):
        yield f"{answer}\t{name}"


def _worded(kind: Answer, answer: Any) -> str:
    """Write an answer for a reader."""
    match kind:
        case Label():
            return f"{answer['label']}\t{answer['score']:.3f}"
        case Labels():
            return ", ".join(f"{each['label']} {each['score']:.3f}" for each in answer) or "none"
        case Spans():
            return ", ".join(map(_span, answer["spans"])) or "none"
        case Numbers():
            return "\t".join(starmap(_number, answer.items()))
        case Forecast():
            steps = (", ".join(starmap(_number, each.items())) for each in answer["ahead"])
            told = (f"{place} x {answer['step']}: {each}" for place, each in enumerate(steps, 1))
            return "; ".join(told)


def _span(span: Mapping[str, Any]) -> str:
    where = span.get("text") or f"steps {span['start'] + 1} to {span['end']}"
    return f"{where}: {span['label']} {span['score']:.3f}"


def _number(name: str, number: Mapping[str, Any]) -> str:
    unit = f" {number['unit']}" if "unit" in number else ""
    low, high = number.get("interval", (None, None))
    interval = "" if low is None else f" ({low:.4g} to {high:.4g})"
    return f"{name} {number['value']:.4g}{interval}{unit}"


def _lines(outputs: Arrays) -> Iterator[str]:
    """Give the outputs of each row by name, as JSON."""
    shown = {name: _rounded(values) for name, values in outputs.items()}
    for row in zip(*shown.values(), strict=True):
        yield json.dumps(dict(zip(shown, row, strict=True)))


def _rounded(values: np.ndarray) -> Any:
    """Return lists of numbers with as many digits as are shown."""
    if values.dtype.kind != "f" or not values.size:
        return values.tolist()
    return np.vectorize(lambda value: float(f"{value:.{_DIGITS}g}"))(values).tolist()
