"""Many to one: which of several classes a sequence is of."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy.typing as npt
from keras import ops
from sklearn.metrics import f1_score

from exports import ExportError
from pipeline import batches, models
from pipeline.baselines import text as baselines
from pipeline.config import ClassifyConfig
from pipeline.data import columns, labelled
from pipeline.data.labelled import Labelled
from pipeline.data.table import Parse, Table, Unusable, parsed
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.reading import Reading, choice
from pipeline.features.excerpts import excerpts
from pipeline.features.text import EncodedTexts, Text
from pipeline.marks import Choices, Marks, of_choices
from pipeline.messages import say
from pipeline.schema import Columns
from pipeline.tasks.base import Answer, Baseline, DataTask, Figures

if TYPE_CHECKING:
    from pipeline.run import Run


class Classify(DataTask[ClassifyConfig, EncodedTexts]):
    """Tells which class a text is of."""

    summary = ClassifyConfig.summary
    settings = ClassifyConfig
    subject = "text"
    accepts = "a text"

    def check(self, config: ClassifyConfig) -> None:
        """Look whether there are such a layer and such data, and say which columns are read."""
        super().check(config)
        loaded = labelled.load(config, Text.parse, Text.content)
        classes = _classes(loaded)
        if not (config.text and config.label):
            _say(loaded, classes)

    def data(self, run: Run[ClassifyConfig]) -> EncodedTexts:
        """Read, split and encode the data; the vocabulary is made of the training texts."""
        config = run.config
        loaded = labelled.load(config, Text.parse, Text.content)
        texts, labels = loaded.train
        with spinner("Encoding the texts"):
            if run.columns is None:
                fitted = Text.fit(texts, config)
                run.keep_vocabulary(fitted.vocabulary)
                run.keep_columns(_columns(loaded, fitted))
            feature, classes = _feature(run), _known(run)["classes"]
            if run.columns != _columns(loaded, feature):
                raise PipelineError(
                    f"{loaded.name} has changed since {run.path} was begun. Name another directory."
                )
            places = {name: place for place, name in enumerate(classes)}
            drawn = [*excerpts(texts, config.excerpts, config.seed)]
            rows = [*range(len(texts)), *(row for row, _ in drawn)]
            train = [*texts, *(sentence for _, sentence in drawn)]

            def encoded(inputs: Sequence[str], targets: Sequence[str]) -> Examples:
                return feature.examples(inputs, [places[each] for each in targets])

            return EncodedTexts(
                train=encoded(train, [labels[row] for row in rows]),
                validation=encoded(*loaded.validation),
                test=encoded(*loaded.test),
                raw=loaded,
                counted=encoded(texts, labels),
                classes=classes,
                feature=feature,
            )

    def model(self, config: ClassifyConfig, data: EncodedTexts) -> keras.Model:
        """Read from both ends; outputs over time and what is known out of order decide."""
        entrance = data.feature.enter(config, data.counted, len(data.classes))
        outputs = models.recurrent(config)(entrance.sequences)
        pooled = [
            models.maximum(outputs, entrance.mask),
            models.mean(outputs, entrance.mask),
            *entrance.pooled(),
        ]
        features = ops.concatenate(pooled, axis=-1)
        logits = models.logits(features, len(data.classes), config.dropout)
        regression = entrance.regression()
        if regression is not None:
            logits = models.Vote(config.regression_weight)(logits, regression)
        return keras.Model(entrance.input, models.probabilities(logits), name="classify")

    def loss(self, config: ClassifyConfig) -> str:
        """Cross-entropy."""
        return "sparse_categorical_crossentropy"

    def metrics(self, config: ClassifyConfig) -> Sequence[str]:
        """Accuracy."""
        return ("accuracy",)

    def rank(self, figures: Figures) -> float:
        """Rank by accuracy on the validation split."""
        return figures["validation_accuracy"]

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure accuracy, and the mean of the F1 of all classes."""
        targets, predicted = examples.targets.numpy(), answers.argmax(-1)
        labels = range(answers.shape[-1])
        f1 = f1_score(targets, predicted, labels=labels, average="macro", zero_division=0)
        return {"accuracy": float((predicted == targets).mean()), "macro_f1": float(f1)}

    def marks(self, config: ClassifyConfig, data: EncodedTexts, answers: npt.NDArray[Any]) -> Marks:
        """Compare labels."""
        test = data.test
        return of_choices(
            Choices(data.classes, test.targets.numpy(), answers),
            test.lengths,
            data.feature.steps,
            lambda place: data.raw.test.inputs[place],
        )

    def baselines(self, config: ClassifyConfig) -> Mapping[str, Baseline]:
        """Two that do not read in order."""
        return {
            "averaged embeddings": baselines.averaged_embeddings,
            "TF-IDF of words and bigrams": baselines.tf_idf,
        }

    def predict(self, run: Run[ClassifyConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give label, probability and the beginning of each text."""
        model = run.model()
        feature, known = _fitting(run, model)
        classes = known["classes"]
        values = [feature.read(subject) for subject in subjects]
        probabilities = batches.outputs(model, feature.examples(values, [0] * len(values)))
        return [
            Answer(
                f"{classes[row.argmax()]}\t{row.max():.3f}\t{feature.shown(value)}",
                feature.notes(value),
            )
            for value, row in zip(values, probabilities, strict=True)
        ]

    def predictions(self, run: Run[ClassifyConfig], table: Table) -> Table:
        """Give the most probable class of each row, and its probability."""
        model = run.model()
        feature, known = _fitting(run, model)
        rows = parsed(table, {known["input"]: feature.parse}, run.config.on_error)
        values = rows.column(known["input"])
        probabilities = batches.outputs(model, feature.examples(values, [0] * len(values)))
        best = [known["classes"][place] for place in probabilities.argmax(-1)]
        columns = {f"predicted {known['target']}": best, "probability": probabilities.max(-1)}
        return replace(rows, columns=columns)

    def examples(self, run: Run[ClassifyConfig], table: Table) -> Examples:
        """Encode rows with their labels, which the model must know."""
        known, feature = _known(run), _feature(run)
        kinds: dict[str, Parse] = {
            known["input"]: feature.parse,
            known["target"]: partial(_place, known["classes"]),
        }
        rows = parsed(table, kinds, run.config.on_error)
        return feature.examples(rows.column(known["input"]), rows.column(known["target"]))

    def reading(self, run: Run[ClassifyConfig], model: keras.Model, subject: str) -> Reading:
        """Read step by step, as the feature says."""
        feature, known = _fitting(run, model)
        explain = choice(known["classes"])
        return feature.explained(model, feature.read(subject), explain)

    def artifact(self, run: Run[ClassifyConfig]) -> Mapping[str, Any]:
        """Put the names of the classes beside the model; compare on the test split."""
        data = self.data(run)
        return {
            "labels": tuple(data.classes),
            "card": {"data set": data.raw.name},
            **data.feature.artifact(data.raw.test.inputs),
        }


def _columns(loaded: Labelled, feature: Text) -> Columns:
    """Say what a run keeps of its data."""
    read, target, _ = loaded.columns
    return Columns(
        input=read,
        target=target,
        classes=_classes(loaded),
        version=loaded.version,
        tokens=feature.encoder.tokens,
    )


def _classes(loaded: Labelled) -> list[str]:
    """Name the classes: in the order that the source declares, or else sorted.

    Raises:
        PipelineError: there is but one, or one has too few examples.
    """
    if loaded.classes:
        return list(loaded.classes)
    splits = loaded.train, loaded.validation, loaded.test
    counts = Counter(label for split in splits for label in split.targets)
    if len(counts) < 2:
        (only,) = counts
        raise PipelineError(
            f"{loaded.name} has one label, {only!r}, in all rows. Give two classes or more."
        )
    rare = [label for label, count in counts.items() if count < 2]
    if rare:
        raise PipelineError(
            f"{loaded.name} has the label {rare[0]!r} once. Give each class two examples or more, "
            "or remove the row."
        )
    return sorted(counts, key=lambda label: (not label.isdecimal(), label.zfill(20)))


def _say(loaded: Labelled, classes: Sequence[str]) -> None:
    """Say which columns are read."""
    text, label, ignored = loaded.columns
    words = statistics.median(len(each.split()) for each in loaded.train.inputs)
    rest = f" Ignored: {', '.join(ignored)}." if ignored else ""
    say(f"Text: {text} (median {words:g} words). Label: {label} ({len(classes)} classes).{rest}")


def _known(run: Run[ClassifyConfig]) -> Columns:
    """Return what is known of the columns of `run`.

    Raises:
        PipelineError: it is not trained yet, or by an older version.
    """
    if run.columns is None:
        older = f"; if an older version trained it, run: recurrent evaluate {run.path}"
        raise PipelineError(f"{run.path} has no columns.json{older if run.metrics else ''}")
    return run.columns


def _feature(run: Run[ClassifyConfig]) -> Text:
    """Return what encodes the texts of `run`.

    Raises:
        PipelineError: the vocabulary is damaged.
    """
    try:
        return Text(run.vocabulary or [], run.config.max_length, _known(run)["tokens"])
    except ExportError as error:
        raise PipelineError(f"{run.path / 'vocabulary.txt'} is damaged: {error}") from error


def _fitting(run: Run[ClassifyConfig], model: keras.Model) -> tuple[Text, Columns]:
    """Return what encodes the texts of `run`, and what is known of its columns.

    Raises:
        PipelineError: `model` knows another number of words or classes.
    """
    feature, known = _feature(run), _known(run)
    for file, here, there, what in (
        ("vocabulary.txt", len(feature.vocabulary), model.get_layer("words").input_dim, "words"),
        ("columns.json", len(known["classes"]), model.output_shape[-1], "classes"),
    ):
        if here != there:
            raise PipelineError(
                f"{run.path / file} is damaged: it has {here} {what}, and the model knows {there}"
            )
    return feature, known


def _place(classes: Sequence[str], value: Any) -> int:
    """Look up the number of a label.

    Raises:
        Unusable: the model does not know it.
    """
    label = columns.to_class(value)
    if label not in classes:
        raise Unusable(f"is {label!r}, a class that the model was not trained on")
    return classes.index(label)


task = Classify()
