"""What tasks share that read texts, recordings or sequences, and have targets to learn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple, TypeVar

import keras

from exports import ExportError
from exports.answers import Answer
from pipeline import batches, features, models
from pipeline.config.inputs import SequenceConfig
from pipeline.data import columns, labelled
from pipeline.data.columns import Kind
from pipeline.data.labelled import Labelled
from pipeline.data.sources import text
from pipeline.data.table import Parse, Table, parsed
from pipeline.data.views import View, joined
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.spec import Array, Explained, ExplainSpec
from pipeline.features.base import Encoded, Feature
from pipeline.messages import say
from pipeline.schema import Columns
from pipeline.tasks.base import DataTask, Prediction, Run
from pipeline.tasks.shared import typed_inputs

ConfigOf = TypeVar("ConfigOf", bound=SequenceConfig)


class Asked(NamedTuple):
    """An input that the user asks about.

    Attributes:
        value: the input.
        name: what to call it.
        targets: what is right, if that is known.
    """

    value: Any
    name: str
    targets: tuple[Any, ...] | None = None


class InputTask(DataTask[ConfigOf, Encoded]):
    """A task that reads texts, recordings or sequences of vectors, each with its targets.

    Attributes:
        wanted: what the targets are.
        option: what the target is called in messages.
    """

    input_noun = "input"
    accepts = "a text, a file, or the number of a test example"
    wanted: ClassVar[Kind]
    option: ClassVar[str]

    @abstractmethod
    def targets(self, config: ConfigOf) -> list[str]:
        """Name the columns of the targets, if the user has."""

    @abstractmethod
    def classes(self, loaded: Labelled) -> list[str]:
        """Name the classes of the targets, if they are some.

        Raises:
            PipelineError: nothing can be learnt from these targets.
        """

    @abstractmethod
    def parse(self, known: Columns) -> Parse:
        """Return what makes a number of a value of a column of targets."""

    @abstractmethod
    def encode(self, targets: Sequence[tuple[Any, ...]]) -> Any:
        """Make what a loss takes of the numbers of each example."""

    @abstractmethod
    def prediction(self, asked: Asked, outputs: Array, known: Columns) -> Prediction:
        """Say for a reader what the outputs about an input mean."""

    @abstractmethod
    def columns(self, outputs: Any, known: Columns) -> Mapping[str, Sequence[Any]]:
        """Make columns of a table of the outputs about its rows."""

    @abstractmethod
    def answer(self, data: Encoded) -> Answer:
        """Say what the outputs of the exported model mean."""

    @abstractmethod
    def explain(self, value: Any, known: Columns) -> Callable[[Array], Explained]:
        """Say what of the outputs about an input is explained."""

    def noun(self, run: Run[ConfigOf]) -> str:
        """Say what an input is called."""
        return features.KINDS[known_columns(run)["kind"]].noun

    def unused(self, config: ConfigOf) -> frozenset[str]:
        """Name the settings of the other kinds of inputs."""
        kind = features.kind(self._load(config))
        others = (each.settings for each in features.KINDS.values())
        return frozenset().union(*others) - features.KINDS[kind].settings

    def check(self, config: ConfigOf) -> None:
        """Look whether there are such a layer and such data, and say which columns are read."""
        super().check(config)
        models.check_chrono(config)
        loaded = self._load(config)
        classes = self.classes(loaded)
        if not config.recipe and not (self.targets(config) and (config.text or config.features)):
            self._say(loaded, classes, config)

    def data(self, run: Run[ConfigOf]) -> Encoded:
        """Read, split and encode the data; what has to be known of it is kept in the run."""
        config = run.config
        loaded = self._load(config)
        inputs, targets = loaded.train
        kind = features.kind(loaded)
        with spinner("Encoding the inputs"):
            if run.columns is None:
                fitted = features.KINDS[kind].fit(inputs, config)
                if fitted.vocabulary:
                    run.keep_vocabulary(fitted.vocabulary)
                run.keep_columns(self._columns(loaded, kind, fitted))
            known, feature = known_columns(run), _feature(run)
            if known != self._columns(loaded, kind, feature):
                raise PipelineError(
                    f"{loaded.name} has changed since {run.path} was begun. Name another directory."
                )
            more = feature.more(inputs, config)
            rows = [*range(len(inputs)), *(row for row, _ in more)]
            train = joined([inputs, View(more, itemgetter(1))])

            parse = self.parse(known)

            def encoded(inputs: Sequence[Any], targets: Sequence[Any]) -> Examples:
                parsed = [tuple(map(parse, each)) for each in targets]
                return self.encoded(feature, inputs, parsed, known)

            counted = encoded(inputs, targets)
            return Encoded(
                train=encoded(train, [targets[row] for row in rows]) if more else counted,
                validation=encoded(*loaded.validation),
                test=encoded(*loaded.test),
                raw=loaded,
                counted=counted,
                classes=known["classes"],
                feature=feature,
            )

    def encoded(
        self,
        feature: Feature[Any],
        inputs: Sequence[Any],
        targets: Sequence[tuple[Any, ...]],
        known: Columns,
    ) -> Examples:
        """Make examples of inputs and parsed targets."""
        return feature.examples(inputs, self.encode(targets))

    def outputs(self, model: keras.Model, examples: Examples) -> Any:
        """Return what `model` makes of `examples`, an array of each: here, all of one shape."""
        return batches.outputs(model, examples)

    def predict(self, run: Run[ConfigOf], inputs: Sequence[str]) -> list[Prediction]:
        """Predict from each input: a text, a file, or the number of a test example, from 1."""
        model = run.model()
        feature, known = fitting(run, model)
        asked = self._asked(run, feature, inputs)
        examples = feature.examples([each.value for each in asked], [0] * len(asked))
        predictions = [
            self.prediction(each, row, known)
            for each, row in zip(asked, self.outputs(model, examples), strict=True)
        ]
        return [
            told._replace(notes=(*told.notes, *feature.notes(each.value)))
            for each, told in zip(asked, predictions, strict=True)
        ]

    def predict_table(self, run: Run[ConfigOf], table: Table) -> Table:
        """Predict from each row, or each sequence of rows."""
        model = run.model()
        feature, known = fitting(run, model)
        rows = parsed(table, {known["input"]: _parser(known)}, run.config.on_error)
        values = rows.column(known["input"])
        outputs = self.outputs(model, feature.examples(values, [0] * len(values)))
        return replace(rows, columns=self.columns(outputs, known))

    def rows(self, run: Run[ConfigOf], table: Table) -> Table:
        """Return a row for each input; each line of a text file is one."""
        return labelled.sequences_of(run.config, lines_as_inputs(run, table))

    def examples(self, run: Run[ConfigOf], table: Table) -> Examples:
        """Encode rows with their targets."""
        known, feature = known_columns(run), _feature(run)
        kinds = {known["input"]: _parser(known)}
        kinds |= dict.fromkeys(known["targets"], self.parse(known))
        rows = parsed(table, kinds, run.config.on_error)
        targets = list(zip(*map(rows.column, known["targets"]), strict=True))
        return self.encoded(feature, rows.column(known["input"]), targets, known)

    def explain_spec(self, run: Run[ConfigOf], model: keras.Model, input: str) -> ExplainSpec:
        """Read step by step, as the feature says."""
        feature, known = fitting(run, model)
        (asked,) = self._asked(run, feature, [input])
        name = asked.name if feature.numbered else asked.value
        explain = self.explain(asked.value, known)
        read = feature.explained(model, name, asked.value, explain)
        return replace(read, notes=feature.notes(asked.value))

    def artifact(self, run: Run[ConfigOf]) -> Mapping[str, Any]:
        """Put what the feature knows beside the model; compare on the test split."""
        data = self.data(run)
        options = data.feature.artifact(data.raw.test.inputs)
        card = {"data set": data.raw.name, **options.pop("card", {})}
        labels, answer = tuple(data.classes) or None, self.answer(data)
        return {"labels": labels, "answer": answer, "card": card, **options}

    def _load(self, config: ConfigOf) -> Labelled:
        return labelled.load(config, self.targets(config), self.wanted)

    def _say(self, loaded: Labelled, classes: Sequence[str], config: ConfigOf) -> None:
        """Say which columns are read."""
        kind = features.kind(loaded)
        feature = features.KINDS[kind].fit(loaded.train.inputs[:1], config)
        chosen = loaded.columns
        lengths = feature.described(loaded.train.inputs)
        many = f" ({len(classes)} classes)" if classes else ""
        rest = f" Ignored: {', '.join(chosen.ignored)}." if chosen.ignored else ""
        say(
            f"{feature.noun.capitalize()}: {chosen.input} ({lengths}). "
            f"{self.option.capitalize()}: {', '.join(chosen.targets)}{many}.{rest}"
        )

    def _columns(self, loaded: Labelled, kind: str, feature: Feature[Any]) -> Columns:
        """Say what a run keeps of its data."""
        return Columns(
            kind=kind,
            input=loaded.columns.input,
            targets=list(loaded.columns.targets),
            classes=self.classes(loaded),
            version=loaded.version,
            fitted=feature.fitted,
        )

    def named(self, name: str, targets: tuple[Any, ...]) -> str:
        """Name a test example after what is right about it."""
        return f"{name}, {self.option} {', '.join(map(str, targets))}"

    def _asked(
        self, run: Run[ConfigOf], feature: Feature[Any], given: Sequence[str]
    ) -> list[Asked]:
        def read(typed: str) -> Asked:
            value = feature.read(typed)
            return Asked(value, typed if feature.numbered else feature.shown(value))

        def test() -> Sequence[tuple[Any, Any]]:
            inputs, targets = self._load(run.config.model_copy(update={"limit": None})).test
            return View(range(len(inputs)), lambda row: (inputs[row], targets[row]))

        def numbered(example: tuple[Any, Any], name: str) -> Asked:
            value, targets = example
            return Asked(value, self.named(name, targets), targets)

        if not feature.numbered:
            return list(map(read, given))
        return typed_inputs.resolve(given, feature.noun, test, numbered, read)


def known_columns(run: Run[Any]) -> Columns:
    """Return what is known of the columns of `run`.

    Raises:
        PipelineError: it is not trained yet, or by an older version.
    """
    if run.columns is None:
        older = f"; if an older version trained it, run: recurrent evaluate {run.path}"
        raise PipelineError(f"{run.path} has no columns.json{older if run.metrics else ''}")
    return run.columns


def lines_as_inputs(run: Run[Any], table: Table) -> Table:
    """Name the lines of a text file as the column of texts that the model of `run` reads."""
    known = known_columns(run)
    if table.running is None or known["kind"] not in ("text", "words"):
        return table
    return replace(table, columns={known["input"]: table.column(text.COLUMN)}, running=None)


def _feature(run: Run[Any]) -> Feature[Any]:
    """Return what encodes the inputs of `run`.

    Raises:
        PipelineError: a file is damaged.
    """
    known = known_columns(run)
    try:
        kind = features.KINDS[known["kind"]]
        return kind.restored(known["fitted"], run.vocabulary or [], run.config)
    except KeyError as error:
        raise PipelineError(f"{run.path / 'columns.json'} is damaged: {error}") from error
    except ExportError as error:
        raise PipelineError(f"{run.path / 'vocabulary.txt'} is damaged: {error}") from error


def fitting(run: Run[Any], model: keras.Model) -> tuple[Feature[Any], Columns]:
    """Return what encodes the inputs of `run`, and what is known of its columns.

    Raises:
        PipelineError: `model` does not fit them.
    """
    feature, known = _feature(run), known_columns(run)
    here, there = len(known["classes"]), model.output_shape[-1]
    fault = feature.fault(model)
    if known["classes"] and here != there:
        fault = f"columns.json is damaged: it has {here} classes, and the model knows {there}"
    if fault:
        raise PipelineError(f"{run.path}/{fault}")
    return feature, known


def _parser(known: Columns) -> Parse:
    kind: Any = known["kind"]
    return columns.PARSERS["vectors" if kind == "mfcc" else kind]
