"""Many to many, of other lengths: a text for a text, such as a translation or a pronunciation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy.typing as npt
from keras import ops

from exports.schema import Source
from pipeline.baselines import Baseline
from pipeline.baselines import pairs as baselines
from pipeline.config.transduce import TransduceConfig
from pipeline.config.writing import Unit
from pipeline.data import pairs
from pipeline.data.pairs import Paired, to_line
from pipeline.data.sources import text
from pipeline.data.table import Parse, Table, Unusable
from pipeline.error_analysis.findings import Finding, Matrix, Passage, Piece
from pipeline.error_analysis.texts import attention
from pipeline.errors import PipelineError
from pipeline.explain import spec
from pipeline.explain.spec import ExplainSpec
from pipeline.features.tokens import PairData, Tokens
from pipeline.messages import say
from pipeline.models import encoder_decoder, seq2seq
from pipeline.tasks.base import Prediction, Run
from pipeline.tasks.shared.writing import WritingTask, best_text, known_columns

_ATTENDED = 24  # tokens of a source, or of what is written, whose attention is shown
_ALIGNED = 256  # ids of characters that can be aligned with what they stand for


class Transduce(WritingTask[TransduceConfig, Tokens]):
    """Writes a text for a text."""

    input_noun = "text"
    accepts = "a text"
    kind = "pairs"

    def check(self, config: TransduceConfig) -> None:
        """Look whether there are such a layer and such data, and say which columns are read."""
        super().check(config)
        loaded = self.load(config)
        if not (config.recipe or (config.source and config.target)):
            _say(loaded, config)

    def load(self, config: TransduceConfig) -> Paired:
        """Read and split the pairs."""
        return pairs.load(config)

    def parse(self, config: TransduceConfig) -> Parse:
        """Take a line of text."""
        return to_line

    def unit(self, config: TransduceConfig) -> Unit:
        """Name the tokens of the targets."""
        return config.target_tokens

    def fit(self, sources: Sequence[str], config: TransduceConfig) -> Mapping[str, Any]:
        """Learn the tokens of the sources."""
        source = Tokens.fit(sources, config.source_tokens, config.vocabulary_size)
        return {"source_tokens": source.unit, "source": list(source.known)}

    def restored(self, fitted: Mapping[str, Any]) -> Tokens:
        """Take the tokens of the sources that were once learnt."""
        return Tokens(fitted["source_tokens"], fitted["source"])

    def source(self, feature: Tokens) -> Source:
        """Say how an exported model reads a text."""
        return Source("source", feature.unit, list(feature.known))

    def model(self, config: TransduceConfig, data: PairData[Tokens]) -> keras.Model:
        """Read the source from both ends, then write the target and attend to the source."""
        return encoder_decoder.build(
            config,
            source="source",
            ids=len(data.source.known) + 2,
            symbols=len(data.target.symbols),
            embedding=config.embedding_dim,
            name=config.task,
        )

    def shown(self, data: PairData[Tokens], place: int) -> Passage:
        """Show a source."""
        return Passage([Piece(data.raw.test[place].source)])

    def further_findings(
        self,
        run: Run[TransduceConfig],
        data: PairData[Tokens],
        predictions: npt.NDArray[Any],
        places: Sequence[int],
    ) -> list[Finding]:
        """Show attention for the best and the worst of the short ones, and for one between."""
        both = [
            (data.raw.test[place].source, predictions[place][0].symbols)
            for place in places
            if predictions[place]
        ]
        short = [
            (source, symbols)
            for source, symbols in both
            if max(len(symbols), data.source.length(source)) <= _ATTENDED
        ]
        if not short:
            return []
        model = run.model()
        ranks = sorted({0, len(short) // 2, len(short) - 1})
        return [Finding("Attention", [_attention(model, data, *short[rank]) for rank in ranks])]

    def lengths(self, data: PairData[Tokens]) -> tuple[list[int], str]:
        """Count the tokens of the sources."""
        return [data.source.length(each.source) for each in data.raw.test], data.source.unit

    def baselines(self, run: Run[TransduceConfig]) -> Mapping[str, Baseline]:
        """Two that align characters with tokens, or else one of words and one of whole texts."""
        source, target = self.features(run) if run.columns else (None, None)
        if (
            source
            and target
            and source.unit == "characters"
            and max(len(source.known), len(target.known)) <= _ALIGNED
        ):
            return {
                "n-grams": baselines.n_grams,
                "feed-forward network": baselines.feed_forward,
            }
        return {
            "word by word": baselines.word_by_word,
            "nearest source": baselines.nearest_source,
        }

    def predict(self, run: Run[TransduceConfig], inputs: Sequence[str]) -> list[Prediction]:
        """Give the text to write for each text, its probability, and the text."""
        texts = list(map(_typed, inputs))
        examples, found = self.search(run, run.model(), texts)
        source, _ = self.features(run)

        def told(typed: str, hypotheses: Any) -> Prediction:
            written, probability, notes = best_text(hypotheses, examples)
            told = f"{written}\t{probability:.3f}\t{typed}"
            return Prediction(told, (*notes, *_notes(source, typed)))

        return list(map(told, texts, found))

    def rows(self, run: Run[TransduceConfig], table: Table) -> Table:
        """Take each line of a text file for a source."""
        if [*table.columns] == [text.COLUMN]:
            columns = {known_columns(run)["input"]: table.column(text.COLUMN)}
            return replace(table, columns=columns)
        return table

    def explain_spec(
        self, run: Run[TransduceConfig], model: keras.Model, input: str
    ) -> ExplainSpec:
        """Write token by token what the search finds, reading the source."""
        typed = _typed(input)
        examples, ((best, *_),) = self.search(run, model, [typed])
        source, target = self.features(run)
        return spec.written(
            model,
            name=typed,
            given={"source": examples.inputs["source"][0][None]},
            symbols=best.symbols,
            names=target.symbols,
            noun=target.unit.removesuffix("s"),
            answer=target.join(target.written(best.symbols)),
            read=source.split(typed),
            attention=encoder_decoder.attention(model),
            notes=_notes(source, typed),
        )

    def card(self, data: PairData[Tokens]) -> Mapping[str, str]:
        """List the tokens of the sources."""
        unit = data.source.unit
        return {
            "source": f"{unit} as numbers from 1 on, in the order of the list below; others have "
            "the next number, and 0 is padding",
            f"{unit} of the source": " ".join(map(repr, data.source.known)),
        }


def _attention(
    model: keras.Model, data: PairData[Tokens], source: str, symbols: Sequence[int]
) -> Matrix:
    """Show to what of a source the model attends before each token that it writes."""
    ids = {"source": data.source.read(source), "previous": [seq2seq.BOUNDARY, *symbols]}
    inputs = {name: ops.convert_to_tensor([each]) for name, each in ids.items()}
    (weights,) = encoder_decoder.attention(model)(inputs, training=False).numpy()
    wrote = [*data.target.written(symbols), "end"]
    caption = f"“{source}”: what is written, a row, attends to what is read, a column"
    return attention(weights, data.source.split(source), wrote, caption)


def _typed(input: str) -> str:
    try:
        return to_line(input)
    except Unusable as error:
        raise PipelineError(f"The text {input!r} {error}: give one to read.") from error


def _notes(source: Tokens, typed: str) -> tuple[str, ...]:
    """Name the tokens of a text that the model does not know."""
    unknown = [each for each in source.split(typed) if each not in {*source.known}]
    return (f"the model does not know {', '.join(map(repr, unknown))}",) if unknown else ()


def _say(loaded: Paired, config: TransduceConfig) -> None:
    """Say which columns are read, and by what."""
    sides = {
        loaded.source: ([each.source for each in loaded.train], config.source_tokens),
        loaded.target: ([each.targets[0] for each in loaded.train], config.target_tokens),
    }
    lengths = []
    for texts, unit in sides.values():
        tokens = Tokens.fit(texts, unit, 0)
        median = statistics.median(map(tokens.length, texts))
        lengths.append(f"median {median:g} {tokens.unit}")
    rest = f" Ignored: {', '.join(loaded.ignored)}." if loaded.ignored else ""
    say(f"Source: {loaded.source} ({lengths[0]}). Target: {loaded.target} ({lengths[1]}).{rest}")


task = Transduce()
