"""What tasks share that write a text for what they read, and its metrics."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar

import keras
import numpy as np
import numpy.typing as npt
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from exports.directions import Directions
from exports.runtime.generation import Hypothesis
from exports.schema import Source, Writing
from pipeline import batches, metrics
from pipeline.baselines.pairs import objects
from pipeline.config.writing import Unit, WritingConfig
from pipeline.data import pairs
from pipeline.data.pairs import Pair, Paired
from pipeline.data.table import Parse, Table, parsed
from pipeline.data.views import View
from pipeline.data.waiting import spinner
from pipeline.error_analysis import measure, texts
from pipeline.error_analysis.findings import Cell, Finding, Piece
from pipeline.error_analysis.texts import Written
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Data, Examples
from pipeline.features.tokens import PairData, PairExamples, SourceFeature, Tokens
from pipeline.models import seq2seq
from pipeline.models.stepwise import Stepwise
from pipeline.schema import Columns
from pipeline.tasks.base import DataTask, Metrics, Monitor, Run

W = TypeVar("W", bound=WritingConfig)
S = TypeVar("S", bound=SourceFeature)

_MEASURED = ("token_error_rate", "exact_match", "bleu", "chrf")
_COMPARED = 512  # test examples that the exported formats are compared on
_SURE = 0.9  # a probability from which the next candidates are not worth a word


class WritingTask(DataTask[W, PairData[S]], Generic[W, S]):
    """Writes a text for each source.

    Predictions are the hypotheses of a beam search for each example, the best one first.

    Attributes:
        kind: what columns.json calls the input.
    """

    kind: ClassVar[str]
    better: ClassVar[Directions] = {
        f"{name}{suffix}": "lower" if name == "token_error_rate" else "higher"
        for name in _MEASURED
        for suffix in ("", "_in_full")
    }

    @abstractmethod
    def load(self, config: W) -> Paired:
        """Read and split the data."""

    @abstractmethod
    def parse(self, config: W) -> Parse:
        """Return what makes a source of a value."""

    @abstractmethod
    def unit(self, config: W) -> Unit:
        """Name the tokens to write."""

    @abstractmethod
    def fit(self, sources: Sequence[Any], config: W) -> Mapping[str, Any]:
        """Learn from the training sources what columns.json keeps of them."""

    @abstractmethod
    def restored(self, fitted: Mapping[str, Any]) -> S:
        """Take what was once learnt of the sources."""

    @abstractmethod
    def shown(self, data: PairData[S], place: int) -> Cell:
        """Show the source of a test example."""

    @abstractmethod
    def lengths(self, data: PairData[S]) -> tuple[list[int], str]:
        """Count what the errors of test examples are shown by, and say what that is."""

    @abstractmethod
    def card(self, data: PairData[S]) -> Mapping[str, str]:
        """Describe the inputs of the exported model."""

    def source(self, feature: S) -> Source | None:
        """Say how an exported model reads a text: here, it reads none."""
        return None

    def data(self, run: Run[W]) -> PairData[S]:
        """Read, split and encode the pairs; the tokens of the training split are kept in the run.

        Pairs longer than `max_length` tokens are not learnt from.
        """
        config = run.config
        loaded = self.load(config)
        with spinner("Encoding the data"):
            if run.columns is None:
                run.keep_columns(self._columns(loaded, config))
            if known_columns(run)["version"] != loaded.version:
                raise PipelineError(
                    f"{loaded.name} has changed since {run.path} was begun. Name another directory."
                )
            source, target = self.features(run)

            def encoded(found: Sequence[Pair]) -> PairExamples:
                return PairExamples.of(found, source, target, config)

            def single(found: Sequence[Pair]) -> Sequence[Pair]:
                places = [
                    (row, number)
                    for row, (value, targets) in enumerate(found)
                    for number, text in enumerate(targets)
                    if max(source.length(value), target.length(text)) <= config.max_length
                ]
                return View(places, lambda place: found[place[0]].only(place[1]))

            splits = {"training": single(loaded.train), "validation": single(loaded.validation)}
            for name, split in splits.items():
                if not split:
                    raise PipelineError(
                        f"Every {name} pair of {loaded.name} has more than {config.max_length} "
                        "tokens. Raise --max-length."
                    )
            train, validation = map(encoded, splits.values())
            return PairData(train, validation, encoded(loaded.test), loaded, source, target)

    def loss(self, config: W, data: Data) -> keras.losses.Loss:
        """Cross-entropy: how little the model believed in each next token."""
        return seq2seq.loss()

    def metrics(self, config: W) -> Sequence[Any]:
        """Measure the fraction of right tokens, given those before; or of whole right targets."""
        return (getattr(metrics, config.monitor),)

    def monitor(self, config: W) -> Monitor:
        """Take what the user chose."""
        return Monitor(f"validation_{config.monitor}", "max")

    def compute(self, model: keras.Model) -> Compute:
        """Read the source once, and write by the states of the model."""
        return Stepwise(model)

    def predictions(self, compute: Compute, examples: Examples) -> npt.NDArray[Any]:
        """Return the hypotheses of the search for each example."""
        assert isinstance(examples, PairExamples)
        config = examples.config
        found = seq2seq.search(
            compute,
            examples,
            width=config.beam_width,
            longest=config.max_length,
            length_penalty=config.length_penalty,
        )
        return objects(found)

    def score(self, predictions: npt.NDArray[Any], examples: Examples) -> Metrics:
        """Measure wrong tokens per token, whole right texts, BLEU and chrF.

        Of several targets, the nearest counts. Where characters are ignored, all is measured
        without them, and then `in_full`, with them. BLEU (Papineni et al., 2002) is that of runs of
        up to 4 words between spaces, of the lengths that there are; chrF (Popović, 2015) that of
        runs of up to 6 characters.
        """
        assert isinstance(examples, PairExamples)
        figures = _figures(predictions, examples, examples.config.ignored)
        if examples.config.ignored:
            full = _figures(predictions, examples, "")
            figures |= {f"{name}_in_full": figure for name, figure in full.items()}
        return figures

    def error_analysis(
        self, run: Run[W], data: PairData[S], predictions: npt.NDArray[Any]
    ) -> list[Finding]:
        """Show texts beside the right ones, and which tokens are wrong."""
        join, unit = data.target.join, data.target.unit
        written = _outcomes(predictions, data.test, run.config.ignored)
        lengths, steps = self.lengths(data)

        def shown(place: int) -> list[Cell]:
            references = [Piece(join(each)) for each in written[place].references]
            return [self.shown(data, place), measure.lines([each] for each in references)]

        errors = np.array([each.wrong for each in written])
        by_length = measure.by_group(np.array(lengths), steps, errors, f"mean wrong {unit}")
        return [
            *texts.findings(written, shown, unit, join),
            *self.further_findings(run, data, predictions, texts.evenly(written)),
            Finding("Length", by_length),
        ]

    def further_findings(
        self, run: Run[W], data: PairData[S], predictions: npt.NDArray[Any], places: Sequence[int]
    ) -> list[Finding]:
        """Show more of the predictions with these numbers: here, nothing."""
        return []

    def predict_table(self, run: Run[W], table: Table) -> Table:
        """Write a text for each row."""
        known = known_columns(run)
        rows = parsed(table, {known["input"]: self.parse(run.config)}, run.config.on_error)
        examples, found = self.search(run, run.model(), rows.column(known["input"]))
        best = [candidates(each, examples, "")[0] for each in found]
        written: dict[str, Sequence[Any]] = {
            f"predicted {known['targets'][0]}": [examples.target.join(each) for each, _ in best],
            "probability": [probability for _, probability in best],
        }
        return replace(rows, columns=written)

    def examples(self, run: Run[W], table: Table) -> Examples:
        """Encode rows with their targets, a source once."""
        known, config = known_columns(run), run.config
        target = known["targets"][0]
        found = pairs.pairs_of(table, known["input"], self.parse(config), target, config.on_error)
        return PairExamples.of(found, *self.features(run), config)

    def artifact(self, run: Run[W]) -> Mapping[str, Any]:
        """Put the tokens beside the model; compare on examples of the test split."""
        data = self.data(run)
        compared = np.arange(min(len(data.test), _COMPARED))
        ((inputs, _),) = batches.dataset(data.test, [compared])
        return {
            "labels": data.target.symbols,
            "writing": Writing(
                unit=data.target.unit,
                longest=run.config.max_length,
                start=seq2seq.BOUNDARY,
                end=seq2seq.BOUNDARY,
                source=self.source(data.source),
                beam=run.config.beam_width,
                length_penalty=run.config.length_penalty,
            ),
            "examples": {name: values.numpy() for name, values in inputs.items()},
            "card": {
                "data set": data.raw.name,
                "previous": f"{data.target.unit} so far, behind a 1, as numbers of labels",
                **self.card(data),
            },
        }

    def features(self, run: Run[W]) -> tuple[S, Tokens]:
        """Return what encodes the sources and the targets of `run`.

        Raises:
            PipelineError: they are not known yet, or damaged.
        """
        fitted: Mapping[str, Any] = known_columns(run)["fitted"]
        try:
            target = Tokens(fitted["target_tokens"], fitted["target"])
            return self.restored(fitted), target
        except KeyError as error:
            raise PipelineError(f"{run.path / 'columns.json'} is damaged: {error}") from error

    def search(
        self, run: Run[W], model: keras.Model, sources: Sequence[Any]
    ) -> tuple[PairExamples, npt.NDArray[Any]]:
        """Search for what to write for each of `sources`.

        Raises:
            PipelineError: the model does not fit what is known of the data.
        """
        source, target = self.features(run)
        here, there = len(target.symbols), model.get_layer("symbol_embedding").input_dim
        fault = source.fault(model)
        if here != there:
            fault = f"it has {here} ids of target tokens, and the model {there}"
        if fault:
            raise PipelineError(f"{run.path / 'columns.json'} is damaged: {fault}")
        untold = View(sources, lambda each: Pair(each, ("",)))
        examples = PairExamples.of(untold, source, target, run.config)
        return examples, self.predictions(self.compute(model), examples)

    def _columns(self, loaded: Paired, config: W) -> Columns:
        """Fit the features to the training split."""
        written = [target for pair in loaded.train for target in pair.targets]
        target = Tokens.fit(written, self.unit(config), config.vocabulary_size)
        return Columns(
            kind=self.kind,
            input=loaded.source,
            targets=[loaded.target],
            classes=[],
            version=loaded.version,
            fitted={
                **self.fit(View(loaded.train, attrgetter("source")), config),
                "target_tokens": target.unit,
                "target": list(target.known),
            },
        )


def known_columns(run: Run[Any]) -> Columns:
    """Return what is known of the columns of `run`.

    Raises:
        PipelineError: it is not trained yet.
    """
    if run.columns is None:
        raise PipelineError(f"{run.path} has no columns.json, which holds the tokens. Train it.")
    return run.columns


def candidates(
    found: Sequence[Hypothesis], examples: PairExamples, ignored: str
) -> list[tuple[tuple[str, ...], float]]:
    """Return the tokens of each hypothesis without those characters, and its probability.

    Alike ones are one. They are ranked as the search ranks hypotheses.
    """
    probabilities: dict[tuple[str, ...], float] = {}
    lengths: dict[tuple[str, ...], int] = {}
    for symbols, score in found:
        tokens = without(ignored, examples.target.written(symbols))
        probabilities[tokens] = probabilities.get(tokens, 0.0) + math.exp(score)
        lengths.setdefault(tokens, 1 + len(symbols))

    def rank(tokens: tuple[str, ...]) -> float:
        return math.log(max(probabilities[tokens], 1e-300)) / lengths[tokens] ** alpha

    alpha = examples.config.length_penalty
    ranked = sorted(probabilities, key=rank, reverse=True)
    return [(tokens, probabilities[tokens]) for tokens in ranked]


def best_text(found: Sequence[Hypothesis], examples: PairExamples) -> tuple[str, float, list[str]]:
    """Return the text to write, its probability, and a note if others are likely, too.

    Of texts that differ in what is ignored alone, it is the most probable one.
    """
    ignored, join = examples.config.ignored, examples.target.join
    (best, probability), *others = candidates(found, examples, ignored)
    full = (tokens for tokens, _ in candidates(found, examples, ""))
    written = next(tokens for tokens in full if without(ignored, tokens) == best)
    notes = []
    if others and probability < _SURE:
        shown = "; ".join(f"{join(tokens)}, {each:.3f}" for tokens, each in others)
        notes.append(f"next likely{f', without {ignored}' if ignored else ''}: {shown}")
    return join(written), probability, notes


def without(ignored: str, tokens: Sequence[str]) -> tuple[str, ...]:
    """Drop those characters, and tokens that have no others."""
    drop = str.maketrans("", "", ignored)
    return tuple(filter(None, (token.translate(drop) for token in tokens)))


def _outcomes(predictions: npt.NDArray[Any], examples: PairExamples, ignored: str) -> list[Written]:
    """Gather what was written and the targets, without the characters in `ignored`."""
    split = examples.target.split
    best = [
        candidates(found, examples, ignored)[0] if found else ((), 0.0) for found in predictions
    ]
    return [
        Written(tokens, [without(ignored, split(each)) for each in pair.targets], probability)
        for (tokens, probability), pair in zip(best, examples.pairs, strict=True)
    ]


def _figures(
    predictions: npt.NDArray[Any], examples: PairExamples, ignored: str
) -> dict[str, float]:
    outcomes, join = _outcomes(predictions, examples, ignored), examples.target.join
    errors = np.array([outcome.wrong for outcome in outcomes])
    lengths = np.array([len(outcome.reference) for outcome in outcomes])
    said = [join(outcome.tokens) for outcome in outcomes]
    most = max(len(outcome.references) for outcome in outcomes)
    references: Any = [
        [
            join(each.references[place]) if place < len(each.references) else None
            for each in outcomes
        ]
        for place in range(most)
    ]
    figures = (
        float(errors.sum() / lengths.sum()),
        float((errors == 0).mean()),
        BLEU(tokenize="none", effective_order=True).corpus_score(said, references).score / 100,
        CHRF().corpus_score(said, references).score / 100,
    )
    return dict(zip(_MEASURED, figures, strict=True))
