"""Many to many, of other lengths: how a word is spoken."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from pipeline import batches, metrics
from pipeline.baselines import Baseline, Fit, g2p
from pipeline.config.pronounce import PronounceConfig
from pipeline.data import loading, pronunciations
from pipeline.data.loading import Splits
from pipeline.data.pronunciations import LETTERS, PHONEMES, Pronunciation, Word, without_stress
from pipeline.error_analysis import ErrorAnalysis, Mistake
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Data, Examples
from pipeline.explain import reading
from pipeline.explain.reading import Reading as StepByStep
from pipeline.models import encoder_decoder, seq2seq
from pipeline.models.decoding import Hypothesis
from pipeline.tasks.base import Answer, Figures, Monitor, Run, SampleTask

Reading = Callable[[Pronunciation], Pronunciation]

_WIDTH = 4  # candidates that the search keeps
_LONGEST = 32  # letters or phonemes; the longest word of the CMU dictionary has 28 of each
_COMPARED = 512  # test words that the exported formats are compared on
_WINDOW_EPOCHS = 5  # of the feed-forward network, which sees every letter as an example
_SURE = 0.9  # a probability from which the next candidates are not worth a word


@dataclass(frozen=True, eq=False)
class PronounceData(Data):
    """An example for each pronunciation of each word, and the words as they were loaded."""

    words: Splits[Word]


class Pronounce(SampleTask[PronounceConfig, PronounceData]):
    """Tells the phonemes of a word."""

    subject = "word"
    accepts = "a word of the letters a to z, with apostrophes, hyphens and full stops"
    better = "lower"

    @property
    def datasets(self) -> Sequence[str]:
        """The dictionary that comes with a package."""
        return tuple(pronunciations.SOURCES)

    def data(self, run: Run[PronounceConfig]) -> PronounceData:
        """Load the words."""
        loaded = loading.load(run.config.dataset, pronunciations.SOURCES, run.config.limit)
        train, validation, test = (
            _examples(split) for split in (loaded.train, loaded.validation, loaded.test)
        )
        return PronounceData(train, validation, test, words=loaded)

    def model(self, config: PronounceConfig, data: PronounceData) -> keras.Model:
        """Read the letters from both ends, then write the phonemes and attend to the letters."""
        return encoder_decoder.build(
            config,
            source="letters",
            ids=1 + len(LETTERS),
            symbols=len(_symbols()),
            embedding=config.embedding,
            name="pronounce",
        )

    def loss(self, config: PronounceConfig, data: Data) -> keras.losses.Loss:
        """Cross-entropy: how little the model believed in each next phoneme."""
        return seq2seq.loss()

    def metrics(self, config: PronounceConfig) -> Sequence[Any]:
        """Measure the fraction of pronunciations that a greedy search would find, with stress."""
        return (metrics.greedy_accuracy,)

    def monitor(self, config: PronounceConfig) -> Monitor:
        """Take what a greedy search would find on the validation split."""
        return Monitor("validation_greedy_accuracy", "max")

    def answers(self, compute: Compute, examples: Examples) -> npt.NDArray[Any]:
        """Return the hypotheses of the search for each example, the most probable one first."""
        return _as_objects(seq2seq.search(compute, examples, width=_WIDTH, longest=_LONGEST))

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure wrong phonemes per phoneme and wrong words, first with stress dropped.

        Any listed pronunciation of a word counts: the nearest one. Phonemes are wrong by as many as
        it takes to replace, insert and delete. Candidates that differ in stress alone are one.
        """
        readings: dict[str, Reading] = {"": without_stress, "_with_stress": tuple}
        figures: dict[str, float] = {}
        for suffix, read in readings.items():
            rates = _error_rates(_spoken(answers, examples, read))
            figures |= {f"{name}{suffix}": rate for name, rate in rates.items()}
        return figures

    def error_analysis(
        self, config: PronounceConfig, data: PronounceData, answers: npt.NDArray[Any]
    ) -> ErrorAnalysis:
        """Count the wrong phonemes of each word, stress dropped."""
        spoken = _spoken(answers, data.test, without_stress)

        def read(place: int) -> Mistake:
            word = spoken[place]
            spelling = "".join(LETTERS[each - 1] for each in word.letters)
            return Mistake(spelling, " or ".join(map(" ".join, word.listed)), " ".join(word.answer))

        lengths = np.array([len(word.letters) for word in spoken])
        errors, _ = np.transpose([word.nearest for word in spoken])
        return ErrorAnalysis(errors, "wrong phonemes", lengths, "letters", read)

    def baselines(self, run: Run[PronounceConfig]) -> Mapping[str, Baseline]:
        """Two that take a word letter by letter."""
        return {"n-grams": n_grams, "feed-forward network": feed_forward}

    def predict(self, run: Run[PronounceConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give the phonemes, their probability and the word; stress apart, the next candidates."""
        spellings = list(map(_spelling, subjects))
        examples = _paired(list(map(_ids, spellings)), [()] * len(spellings))
        answers = self.answers(batches.compute(run.model()), examples)
        loaded = loading.load(run.config.dataset, pronunciations.SOURCES, run.config.limit)
        known = {
            word.spelling: (word, split)
            for split in ("train", "validation", "test")
            for word in getattr(loaded, split)
        }
        return [
            _answer(spelling, found, *known.get(spelling, (None, "")))
            for spelling, found in zip(spellings, answers, strict=True)
        ]

    def reading(self, run: Run[PronounceConfig], model: keras.Model, subject: str) -> StepByStep:
        """Write phoneme by phoneme what the search finds, reading the letters."""
        word = _spelling(subject)
        letters = _ids(word)
        ((best, *_),) = self.answers(batches.compute(model), _paired([letters], [()]))
        return reading.written(
            model,
            name=word,
            given={"letters": np.array([letters], np.int32)},
            symbols=best.symbols,
            names=_symbols(),
            noun="phoneme",
            read=list(word),
        )

    def artifact(self, run: Run[PronounceConfig]) -> Mapping[str, Any]:
        """Put the phonemes beside the model; compare on words of the test split."""
        data = self.data(run)
        compared = np.arange(min(len(data.test), _COMPARED))
        ((inputs, _),) = batches.dataset(data.test, [compared])
        return {
            "labels": _symbols(),
            "examples": {name: values.numpy() for name, values in inputs.items()},
            "card": {
                "data set": f"{data.words.name} {data.words.version}",
                "letters": f"1 is {LETTERS[0]}, and so on: {LETTERS}; 0 is padding",
                "previous": "the phonemes so far, behind a 1, as numbers of labels",
            },
        }


def n_grams(config: PronounceConfig, data: PronounceData, fit: Fit) -> npt.NDArray[Any]:
    """Runs of up to 7 letters, each with the phonemes that it stands for, counted and smoothed."""
    pairs, words = _pairs(data.train), _letters(data.test)
    return _as_objects(g2p.by_joint_symbols(pairs, words, size=len(_symbols())))


def feed_forward(config: PronounceConfig, data: PronounceData, fit: Fit) -> npt.NDArray[Any]:
    """A network of two hidden layers that sees a letter and the five on either side."""
    found = g2p.by_windows(
        _pairs(data.train),
        _letters(data.test),
        size=len(_symbols()),
        units=config.units,
        epochs=_WINDOW_EPOCHS,
        batch_size=2 * config.batch_size,
    )
    return _as_objects(found)


def _letters(examples: Examples) -> list[list[int]]:
    return examples.inputs["letters"].to_list()


def _pairs(examples: Examples) -> list[tuple[list[int], list[int]]]:
    return list(zip(_letters(examples), seq2seq.sequences(examples), strict=True))


def _examples(words: Iterable[Word]) -> Examples:
    """An example for each pronunciation."""
    pairs = [(word.spelling, each) for word in words for each in word.pronunciations]
    places = {phoneme: number for number, phoneme in enumerate(_symbols())}
    return _paired(
        [_ids(spelling) for spelling, _ in pairs],
        [[places[phoneme] for phoneme in pronunciation] for _, pronunciation in pairs],
    )


def _paired(letters: Sequence[Sequence[int]], phonemes: Sequence[Sequence[int]]) -> Examples:
    """Make examples of ids, from 1 on for letters and from `seq2seq.FIRST` on for phonemes."""
    return seq2seq.examples({"letters": seq2seq.ragged(letters)}, phonemes)


def _ids(spelling: str) -> list[int]:
    """Number the letters, from 1 on."""
    return [1 + LETTERS.index(letter) for letter in spelling]


def _symbols() -> tuple[str, ...]:
    """Name what the model writes: padding, the end, and the phonemes."""
    return ("", "end", *PHONEMES)


def _phonemes(ids: Iterable[int]) -> Pronunciation:
    names = _symbols()
    return tuple(names[each] for each in ids)


def _merged(found: Iterable[Hypothesis], read: Reading) -> list[tuple[Pronunciation, float]]:
    """The candidates as `read`, and their probabilities, alike ones as one, the likeliest first."""
    probabilities: dict[Pronunciation, float] = defaultdict(float)
    for symbols, score in found:
        probabilities[read(_phonemes(symbols))] += math.exp(score)
    return sorted(probabilities.items(), key=lambda pair: -pair[1])


class _Spoken(NamedTuple):
    """The letters of a word, what the model says, and the pronunciations that are listed."""

    letters: tuple[int, ...]
    answer: Pronunciation
    listed: Sequence[Pronunciation]

    @property
    def nearest(self) -> tuple[int, int]:
        """How many phonemes are wrong, against the nearest that is listed, and its length."""
        return min((Levenshtein.distance(self.answer, each), len(each)) for each in self.listed)


def _spoken(answers: npt.NDArray[Any], examples: Examples, read: Reading) -> list[_Spoken]:
    """Gather the pronunciations of each word, as `read`."""
    listed: dict[tuple[int, ...], list[Pronunciation]] = {}
    candidates: dict[tuple[int, ...], Sequence[Hypothesis]] = {}
    for (letters, phonemes), found in zip(_pairs(examples), answers, strict=True):
        listed.setdefault(tuple(letters), []).append(_phonemes(phonemes))
        candidates[tuple(letters)] = found
    return [
        _Spoken(word, _merged(candidates[word], read)[0][0], list(map(read, pronunciations)))
        for word, pronunciations in listed.items()
    ]


def _error_rates(spoken: Sequence[_Spoken]) -> Figures:
    errors, lengths = np.transpose([word.nearest for word in spoken])
    return {
        "phoneme_error_rate": float(errors.sum() / lengths.sum()),
        "word_error_rate": float((errors > 0).mean()),
    }


def _spelling(subject: str) -> str:
    """The word as the dictionary would spell it."""
    spelling = subject.strip().lower()
    if not spelling:
        raise PipelineError("an empty word cannot be spoken: give a word")
    if unknown := sorted(set(spelling) - set(LETTERS)):
        raise PipelineError(
            f"the word {subject!r} has {', '.join(map(repr, unknown))}: the model knows a to z and "
            f"{' '.join(LETTERS[:3])} only"
        )
    if len(spelling) > _LONGEST:
        raise PipelineError(
            f"the word {subject!r} has {len(spelling)} letters: the model speaks up to {_LONGEST}"
        )
    return spelling


def _answer(spelling: str, found: Sequence[Hypothesis], word: Word | None, split: str) -> Answer:
    """Say the likeliest phonemes, with the stress that is likeliest on them."""
    (best, probability), *others = _merged(found, without_stress)
    spoken = (phonemes for phonemes, _ in _merged(found, tuple))
    stressed = next(phonemes for phonemes in spoken if without_stress(phonemes) == best)
    text = f"{' '.join(stressed)}\t{probability:.3f}\t{spelling}"
    notes = []
    if others and probability < _SURE:
        shown = (f"{' '.join(phonemes)}, {each:.3f}" for phonemes, each in others)
        notes.append(f"next likely, stress dropped: {'; '.join(shown)}")
    if word:
        right = best in map(without_stress, word.pronunciations)
        listed = " or ".join(map(" ".join, word.pronunciations))
        notes.append(f"that is {'right' if right else 'wrong'}: the {split} split has {listed}")
    return Answer(text, tuple(notes))


def _as_objects(found: Sequence[Any]) -> npt.NDArray[Any]:
    return np.fromiter(found, dtype=object, count=len(found))


task = Pronounce()
