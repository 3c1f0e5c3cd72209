"""Many to many: a label for each word of a sentence, or for each step of a sequence."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.metrics import f1_score

from pipeline import batches, entities, models
from pipeline.baselines import Baseline
from pipeline.baselines import tags as baselines
from pipeline.config.tag import TagConfig
from pipeline.data import columns, labelled
from pipeline.data.labelled import Labelled
from pipeline.data.table import Parse, Table, Unusable
from pipeline.error_analysis import Choices, ErrorAnalysis, of_choices
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Examples
from pipeline.explain.reading import Array, Explained, Reading, at_every_step, each_of
from pipeline.features.base import Encoded, Feature
from pipeline.metrics import StepAccuracy, step_crossentropy
from pipeline.schema import Columns
from pipeline.tasks.base import ACCURACY, LOSS, Answer, Figures, Monitor, Run
from pipeline.tasks.shared.inputs import Asked, InputTask, fitting, known_columns

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
        if len(names) < 2:
            raise PipelineError(
                f"{loaded.name} has one label, {min(names)!r}, at all steps. Give two or more."
            )
        return sorted(names)

    def parse(self, known: Columns) -> Parse:
        """Look up the numbers of labels."""
        places = {name: place for place, name in enumerate(known["classes"])}

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
        """Count labels from 1: padding is 0."""
        labels = [np.array(each, np.int32) + 1 for (each,) in targets]
        return tf.RaggedTensor.from_row_lengths(np.concatenate(labels), list(map(len, labels)))

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
        outputs = models.recurrent(config)(entrance.sequences, mask=entrance.mask)
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

    def answers(self, compute: Compute, examples: Examples) -> npt.NDArray[Any]:
        """Return the probabilities at the steps of all examples."""
        return np.concatenate(batches.at_each_step(compute, examples))

    def outputs(self, model: keras.Model, examples: Examples) -> list[Array]:
        """Return the probabilities at the steps of each example."""
        return batches.at_each_step(batches.compute(model), examples)

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure accuracy, and F1: of entities where the labels tell of some, else of labels."""
        assert isinstance(examples, Tagged)
        targets, predicted = _numbers(examples), answers.argmax(-1)
        figures = {"accuracy": float((predicted == targets).mean())}
        if entities.are_known(examples.classes):
            truth, found = (
                [[examples.classes[number] for number in each] for each in _cut(numbers, examples)]
                for numbers in (targets, predicted)
            )
            return {**figures, **entities.score(truth, found)}
        f1 = f1_score(targets, predicted, average="macro", zero_division=0)
        return {**figures, "macro_f1": float(f1)}

    def error_analysis(
        self, config: TagConfig, data: Encoded, answers: npt.NDArray[Any]
    ) -> ErrorAnalysis:
        """Compare the label of each step."""
        test, raw, feature = data.test, data.raw.test, data.feature
        steps = [(place, step) for place, count in enumerate(test.lengths) for step in range(count)]

        def shown(number: int) -> str:
            place, step = steps[number]
            value = raw.inputs[place]
            if feature.numbered:
                return f"test {feature.noun} {place + 1}, step {step + 1}"
            return f"{value[step]} in: {feature.shown(value)}"

        assert isinstance(test, Tagged)
        choices = Choices(data.classes, _numbers(test), answers)
        lengths = np.repeat(test.lengths, test.lengths)
        return of_choices(choices, lengths, feature.steps, shown)

    def baselines(self, run: Run[TagConfig]) -> Mapping[str, Baseline]:
        """Two that do not read further than the neighbours of a step."""
        return {
            "most frequent label": baselines.most_frequent,
            "logistic regression": baselines.regression,
        }

    def answer(self, asked: Asked, outputs: Array, known: Columns) -> Answer:
        """Give each word with its label, or which steps have which label."""
        labels = [known["classes"][number] for number in outputs.argmax(-1)]
        notes = []
        if asked.targets is not None:
            wrong = sum(map(str.__ne__, labels, asked.targets[0]))
            notes.append(f"{wrong:,} of its {len(labels):,} labels are wrong")
        if known["kind"] == "words":
            pairs = zip(asked.value, labels, strict=True)
            return Answer(" ".join(f"{word}/{label}" for word, label in pairs), tuple(notes))
        return Answer(f"{', '.join(_stretches(labels))}\t{asked.name}", tuple(notes))

    def columns(self, outputs: Any, known: Columns) -> Mapping[str, Sequence[Sequence[Any]]]:
        """Give the most probable label of each step, and its probability."""
        return {
            f"predicted {known['targets'][0]}": [
                [known["classes"][number] for number in each.argmax(-1)] for each in outputs
            ],
            "probability": [[*each.max(-1)] for each in outputs],
        }

    def explain(self, known: Columns) -> Callable[[Array], Explained]:
        """Explain the most probable label of each step."""
        names = known["classes"]

        def explained(answers: Array) -> Explained:
            labels = answers.argmax(-1)
            said = " ".join(names[number] for number in labels)
            return each_of(labels, names, "label", lambda _: said)(answers)

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

    def reading(self, run: Run[TagConfig], model: keras.Model, subject: str) -> Reading:
        """Read all steps, or the first hundred; each label is explained by itself."""
        feature, known = fitting(run, model)
        (asked,) = self._asked(run, feature, [subject])
        value = asked.value[:_EXPLAINED] if model.input_shape[1] is None else asked.value
        read = feature.explained(model, asked.name, value, self.explain(known))
        return replace(read, running=at_every_step, read=read.steps, ahead=run.config.bidirectional)


def _numbers(examples: Tagged) -> Array:
    """Return the number of the label of each step of all examples."""
    numbers: Array = examples.targets.flat_values.numpy() - 1
    return numbers


def _cut(steps: Array, examples: Examples) -> list[Array]:
    """Cut what there is of each step of all examples into examples."""
    return np.split(steps, np.cumsum(examples.lengths)[:-1])


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
