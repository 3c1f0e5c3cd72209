"""Many to many: a label for each word of a sentence, or for each step of a sequence."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from exports.answers import Spans
from pipeline import batches, entities, models
from pipeline.baselines import Baseline
from pipeline.baselines import tags as baselines
from pipeline.config.tag import TagConfig
from pipeline.data import columns, labelled
from pipeline.data.labelled import Labelled
from pipeline.data.table import Parse, Table, Unusable
from pipeline.error_analysis import measure, tags
from pipeline.error_analysis.findings import Finding, Passage, Piece
from pipeline.error_analysis.measure import Choices
from pipeline.error_analysis.tags import PredictedSteps
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Examples, InMemoryRagged
from pipeline.explain.spec import Array, Explained, ExplainSpec, at_every_step, each_of
from pipeline.features.base import Encoded, Feature
from pipeline.features.vectors import Vectors
from pipeline.features.words import Words
from pipeline.metrics import StepAccuracy, step_crossentropy
from pipeline.schema import Columns
from pipeline.tasks.base import ACCURACY, LOSS, Metrics, Monitor, Prediction, Run
from pipeline.tasks.shared.inputs import Asked, InputTask, fitting, known_columns

_NONE = -1  # the number of a label that a step has not
_EXPLAINED = 100  # steps of a sequence that are explained: each has a gradient of its own


@dataclass(frozen=True, eq=False)
class Tagged(Examples):
    """Examples with a label for each step: one more than its place in `classes`.

    Attributes:
        classes: names of the labels.
    """

    classes: Sequence[str]


class Tag(InputTask[TagConfig]):
    """Labels each word of a sentence, or each step of a sequence of vectors.

    Predictions are probabilities of all steps, one example after the other, `[steps, labels]`.
    """

    accepts = "a sentence, a file, or the number of a test sequence"
    wanted = "labels"
    option = "label"

    def targets(self, config: TagConfig) -> list[str]:
        """Name the column of the labels."""
        return [config.label] if config.label else []

    def classes(self, loaded: Labelled) -> list[str]:
        """Name the labels: in the order that the source declares, or else sorted.

        Raises:
            PipelineError: there is but one.
        """
        if loaded.classes:
            return list(loaded.classes)
        splits = loaded.train, loaded.validation, loaded.test
        names = {label for split in splits for (labels,) in split.targets for label in labels}
        names -= {None}
        if len(names) < 2:
            raise PipelineError(
                f"{loaded.name} has one label, {min(names)!r}, at all steps. Give two or more."
            )
        return sorted(names)

    def parse(self, known: Columns) -> Parse:
        """Look up the numbers of labels."""
        places: dict[str | None, int] = dict(zip(known["classes"], itertools.count(), strict=False))
        places[None] = _NONE

        def look_up(value: Any) -> list[int]:
            labels = columns.to_labels(value)
            for step, label in enumerate(labels, start=1):
                if label not in places:
                    raise Unusable(
                        f"has {label!r} at step {step:,}, a label that the model was not trained on"
                    )
            return [places[label] for label in labels]

        return look_up

    def encode(self, targets: Sequence[tuple[Any, ...]]) -> Any:
        """Count labels from 1: padding is 0, and so is a step without a label."""
        labels = [np.array(each, np.int32) + 1 for (each,) in targets]
        return InMemoryRagged(np.concatenate(labels), list(map(len, labels)))

    def encoded(
        self,
        feature: Feature[Any],
        inputs: Sequence[Any],
        targets: Sequence[tuple[Any, ...]],
        known: Columns,
    ) -> Tagged:
        """Keep the names of the labels beside the examples: they say how to measure."""
        examples = super().encoded(feature, inputs, targets, known)
        return Tagged(examples.inputs, examples.targets, examples.lengths, known["classes"])

    def model(self, config: TagConfig, data: Encoded) -> keras.Model:
        """Read the sequence; the output at each step and the step itself decide."""
        entrance = data.feature.enter(config, data.counted, len(data.classes))
        outputs = models.reader(config)(entrance.sequences, mask=entrance.mask)
        features = keras.layers.Concatenate()([outputs, entrance.sequences])
        features = keras.layers.Dropout(config.dropout)(features)
        labels = keras.layers.Dense(
            len(data.classes), activation="softmax", dtype="float32", name="probabilities"
        )
        return keras.Model(entrance.input, labels(features), name=config.task)

    def loss(self, config: TagConfig, data: Encoded) -> Callable[[Any, Any], Any]:
        """Cross-entropy of the steps that are no padding."""
        return step_crossentropy

    def metrics(self, config: TagConfig) -> Sequence[keras.metrics.Metric]:
        """Accuracy of the steps that are no padding."""
        return (StepAccuracy(name="accuracy"),)

    def monitor(self, config: TagConfig) -> Monitor:
        """Take what the user chose."""
        return ACCURACY if config.monitor == "accuracy" else LOSS

    def predictions(self, compute: Compute, examples: Examples) -> npt.NDArray[Any]:
        """Return the probabilities at the steps of all examples."""
        return np.concatenate(batches.at_each_step(compute, examples))

    def outputs(self, model: keras.Model, examples: Examples) -> list[Array]:
        """Return the probabilities at the steps of each example."""
        return batches.at_each_step(batches.compute(model), examples)

    def score(self, predictions: npt.NDArray[Any], examples: Examples) -> Metrics:
        """Measure accuracy, and F1: of entities where the labels tell of some, else of labels.

        Steps without a label do not count.
        """
        assert isinstance(examples, Tagged)
        targets, predicted = _numbers(examples), predictions.argmax(-1)
        known = targets != _NONE
        figures = {"accuracy": float((predicted == targets)[known].mean())}
        if entities.are_known(examples.classes):
            names = np.array([*examples.classes, entities.OUTSIDE])
            truth, found = (
                [names[each].tolist() for each in _cut(np.where(known, numbers, _NONE), examples)]
                for numbers in (targets, predicted)
            )
            return {**figures, **entities.score(truth, found)}
        f1 = f1_score(targets[known], predicted[known], average="macro", zero_division=0)
        return {**figures, "macro_f1": float(f1)}

    def error_analysis(
        self, run: Run[TagConfig], data: Encoded, predictions: npt.NDArray[Any]
    ) -> list[Finding]:
        """Show which labels are taken for which, in their sentences, and entities if there are."""
        test, feature = data.test, data.feature
        assert isinstance(test, Tagged)
        numbers = _numbers(test)
        known = np.flatnonzero(numbers != _NONE)
        choices = Choices(data.classes, numbers[known], predictions[known])
        examples = _predicted_steps(data, numbers, predictions.argmax(-1))
        places = np.repeat(np.arange(len(test)), test.lengths)[known]
        steps = np.concatenate([np.arange(length) for length in test.lengths])[known]

        def excerpt(number: int) -> list[Piece]:
            step = int(steps[number])
            return examples[places[number]].around(step, step)

        def row(place: int) -> list[Passage]:
            return [Passage(examples[place].whole())]

        wrong = np.array([len(each.wrong) for each in examples])
        lengths = measure.by_group(test.lengths[places], feature.steps, choices.right, "accuracy")
        heads = [f"{feature.noun}; behind what is wrong, the right label and the model's"]
        has_entities = entities.are_known(data.classes)
        return [
            *measure.of_choices(choices, feature.steps, excerpt),
            *([tags.of_entities(examples)] if has_entities else []),
            Finding("Length", lengths),
            Finding("Worst mistakes", [measure.worst(wrong, "wrong labels", heads, row)]),
        ]

    def baselines(self, run: Run[TagConfig]) -> Mapping[str, Baseline]:
        """Two that do not read further than the neighbours of a step."""
        return {
            "most frequent label": baselines.most_frequent,
            "logistic regression": baselines.regression,
        }

    def prediction(self, asked: Asked, outputs: Array, known: Columns) -> Prediction:
        """Give each word with its label, or which steps have which label."""
        labels = _labels(outputs, known)
        notes = []
        if asked.targets is not None:
            right = [each for each in zip(labels, asked.targets[0], strict=True) if each[1]]
            wrong = sum(said != label for said, label in right)
            notes.append(f"{wrong:,} of its {len(right):,} labels are wrong")
        name = "" if known["kind"] == "words" else f"\t{asked.name}"
        return Prediction(f"{_written(asked.value, labels, known)}{name}", tuple(notes))

    def columns(self, outputs: Any, known: Columns) -> Mapping[str, Sequence[Sequence[Any]]]:
        """Give the most probable label of each step, and its probability."""
        return {
            f"predicted {known['targets'][0]}": [
                [known["classes"][number] for number in each.argmax(-1)] for each in outputs
            ],
            "probability": [[*each.max(-1)] for each in outputs],
        }

    def answer(self, data: Encoded) -> Spans:
        """Give entities if the labels tell of some, else each word or each run of steps."""
        feature = data.feature
        words = isinstance(feature, Words)
        scheme: Literal["entities", "steps", "runs"] = "steps" if words else "runs"
        if entities.are_known(data.classes):
            scheme = "entities"
        padded = not (isinstance(feature, Vectors) and feature.length)
        return Spans(scheme, padded, words)

    def explain(self, value: Any, known: Columns) -> Callable[[Array], Explained]:
        """Explain the most probable label of each step."""
        names = known["classes"]

        def explained(predictions: Array) -> Explained:
            answer = _written(value, _labels(predictions, known), known)
            told = each_of(predictions.argmax(-1), names, "label", answer)(predictions)
            likely = np.argsort(-predictions.max(0), kind="stable")
            each = {names[number]: predictions[:, number] for number in likely}
            return told._replace(curves={**told.curves, **each})

        return explained

    def named(self, name: str, targets: tuple[Any, ...]) -> str:
        """Leave its labels out, which are many."""
        return name

    def rows(self, run: Run[TagConfig], table: Table) -> Table:
        """Return a row for each sequence; each column of its steps becomes one of lists."""
        config = run.config
        if config.sequence_id:
            fixed = (config.sequence_id, config.group)
            stepwise = [name for name in table.columns if name not in fixed]
            return labelled.sequences_of(config, table, stepwise=stepwise)
        return _split(super().rows(run, table), known_columns(run)["input"])

    def scored(self, run: Run[TagConfig], table: Table) -> Mapping[str, Sequence[Any]]:
        """Return columns with a row for each step; the sequences are numbered."""
        columns = super().scored(run, table)
        counts = [
            max((len(value) for value in values if isinstance(value, list)), default=1)
            for values in zip(*columns.values(), strict=True)
        ]
        numbered = {"sequence": range(1, len(counts) + 1), **columns}
        return {name: _spread(values, counts) for name, values in numbered.items()}

    def explain_spec(self, run: Run[TagConfig], model: keras.Model, input: str) -> ExplainSpec:
        """Read all steps, or the first hundred; each label is explained by itself."""
        feature, known = fitting(run, model)
        (asked,) = self._asked(run, feature, [input])
        value, count = asked.value[:_EXPLAINED], len(asked.value)
        read = feature.explained(model, asked.name, value, self.explain(value, known))
        cut = (f"only the first {_EXPLAINED} of its {count:,} {feature.steps} are explained",)
        return replace(
            read,
            running=at_every_step,
            read=read.steps,
            ahead=run.config.bidirectional,
            notes=(*feature.notes(asked.value), *(cut if count > _EXPLAINED else ())),
        )


def _labels(outputs: Array, known: Columns) -> list[str]:
    return [known["classes"][number] for number in outputs.argmax(-1)]


def _written(value: Any, labels: Sequence[str], known: Columns) -> str:
    """Write each word with its label, or which steps have which label."""
    if known["kind"] == "words":
        return " ".join(f"{word}/{label}" for word, label in zip(value, labels, strict=True))
    return ", ".join(_stretches(labels))


def _numbers(examples: Tagged) -> Array:
    """Return the number of the label of each step of all examples; `_NONE` where it has none."""
    numbers: Array = examples.targets.flat - 1
    return numbers


def _cut(steps: Array, examples: Examples) -> list[Array]:
    """Cut what there is of each step of all examples into examples."""
    return np.split(steps, np.cumsum(examples.lengths)[:-1])


def _predicted_steps(data: Encoded, numbers: Array, predicted: Array) -> list[PredictedSteps]:
    """Put the labels of each test example beside its words."""
    feature, names = data.feature, np.array([*data.classes, None], object)  # `_NONE` is the last
    labels = (map(list, _cut(names[each], data.test)) for each in (numbers, predicted))
    return [
        PredictedSteps(
            f"test {feature.noun} {place + 1}", None if feature.numbered else value, truth, said
        )
        for place, (value, truth, said) in enumerate(
            zip(data.raw.test.inputs, *labels, strict=True)
        )
    ]


def _split(table: Table, name: str) -> Table:
    """Split the texts of a column at their spaces."""
    values = [each.split() if isinstance(each, str) else each for each in table.column(name)]
    return replace(table, columns={**table.columns, name: values})


def _spread(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    """Give each step a row: its own value of a list, or else the one of its sequence.

    `counts` are the steps of each sequence; a list that is too short ends with empty values.
    """
    found: list[Any] = []
    for value, count in zip(values, counts, strict=True):
        steps = value if isinstance(value, list) else [value] * count
        found += [*steps, *[""] * (count - len(steps))]
    return found


def _stretches(labels: Sequence[str]) -> Sequence[str]:
    """Say from which step to which each label lasts."""
    told, start = [], 1
    for label, same in itertools.groupby(labels):
        end = start + len([*same]) - 1
        told.append(f"{label} {start}-{end}" if end > start else f"{label} {start}")
        start = end + 1
    return told


task = Tag()
