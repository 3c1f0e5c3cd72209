"""One to many: an image becomes a text, token by token."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from pipeline.baselines import Baseline
from pipeline.baselines import captions as baselines
from pipeline.config.caption import CaptionConfig
from pipeline.config.writing import Unit
from pipeline.data import captions, images
from pipeline.data.images import Pixels
from pipeline.data.pairs import Pair, Paired
from pipeline.data.table import Parse, Unusable
from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Picture
from pipeline.errors import PipelineError
from pipeline.explain import spec
from pipeline.explain.spec import ExplainSpec
from pipeline.features.images import Images
from pipeline.features.tokens import PairData, Tokens
from pipeline.messages import say
from pipeline.models import captioner
from pipeline.tasks.base import Prediction, Run
from pipeline.tasks.shared import typed_inputs
from pipeline.tasks.shared.writing import WritingTask, best_text


class Caption(WritingTask[CaptionConfig, Images]):
    """Writes a text for an image."""

    input_noun = "image"
    accepts = "a PNG, JPEG, GIF or BMP file, or the number of a test image"
    kind = "images"

    def check(self, config: CaptionConfig) -> None:
        """Look whether there are such a layer and such data, and say which columns are read.

        Raises:
            PipelineError: it would write from both ends, too.
        """
        super().check(config)
        if config.bidirectional:
            raise PipelineError(
                "caption writes one token after another: leave out --bidirectional."
            )
        loaded = self.load(config)
        if not (config.recipe or (config.image and config.text)):
            _say(loaded, config)

    def load(self, config: CaptionConfig) -> Paired:
        """Read and split images and captions."""
        return captions.load(config)

    def parse(self, config: CaptionConfig) -> Parse:
        """Read an image, and resize it."""
        return captions.parse(config)

    def unit(self, config: CaptionConfig) -> Unit:
        """Name the tokens of the captions."""
        return config.tokens

    def fit(self, sources: Sequence[Pixels], config: CaptionConfig) -> Mapping[str, Any]:
        """Learn whether all images are grey, and dark."""
        fitted = Images.fit(sources)
        return {"channels": fitted.channels, "dark": fitted.dark}

    def restored(self, fitted: Mapping[str, Any]) -> Images:
        """Take what was once learnt of the images."""
        return Images(fitted["channels"], fitted["dark"])

    def model(self, config: CaptionConfig, data: PairData[Images]) -> keras.Model:
        """Look at the image; what is seen is read beside each token that was written."""
        return captioner.build(config, data.source.channels, len(data.target.symbols))

    def shown(self, data: PairData[Images], place: int) -> Picture:
        """Show an image."""
        pixels = data.test.inputs["image"][place]
        return measure.picture(pixels, f"test image {place + 1}")

    def lengths(self, data: PairData[Images]) -> tuple[list[int], str]:
        """Count the tokens of the captions."""
        return [data.target.length(each.targets[0]) for each in data.raw.test], data.target.unit

    def baselines(self, run: Run[CaptionConfig]) -> Mapping[str, Baseline]:
        """One that writes without memory, and two that repeat what they have seen."""
        return {
            "all tokens at once": baselines.all_at_once,
            "most frequent caption": baselines.most_frequent,
            "nearest image": baselines.nearest_image,
        }

    def predict(self, run: Run[CaptionConfig], inputs: Sequence[str]) -> list[Prediction]:
        """Give the caption of each image, its probability, and the image.

        Each of `inputs` is the number of an image of the test split, from 1, or else the path of
        a file.
        """
        model = run.model()
        looked_at = self._asked(run, inputs)
        examples, found = self.search(run, model, [each.image for each in looked_at])
        source, _ = self.features(run)

        def told(input: _Input, hypotheses: Any) -> Prediction:
            written, probability, notes = best_text(hypotheses, examples)
            notes += _notes(source, input)
            if input.captions and written not in input.captions:
                notes.append(f"that is wrong: it is {_quoted(input.captions)}")
            return Prediction(f"{written}\t{probability:.3f}\t{input.name}", tuple(notes))

        return list(map(told, looked_at, found))

    def explain_spec(self, run: Run[CaptionConfig], model: keras.Model, input: str) -> ExplainSpec:
        """Write token by token what the search finds, looking at the image."""
        (seen,) = self._asked(run, [input])
        examples, ((best, *_),) = self.search(run, model, [seen.image])
        (pixels,) = examples.inputs["image"]
        source, _ = self.features(run)
        return spec.written(
            model,
            name=seen.name,
            given={"image": pixels[None]},
            symbols=best.symbols,
            names=examples.target.symbols,
            noun=examples.target.unit.removesuffix("s"),
            answer=examples.target.join(examples.target.written(best.symbols)),
            view=spec.Picture(pixels),
            notes=_notes(source, seen),
        )

    def card(self, data: PairData[Images]) -> Mapping[str, str]:
        """Describe an image."""
        _, *shape = data.test.inputs["image"].shape
        return {"image": f"pixels from 0 to 255, {shape}: height, width, channels"}

    def _asked(self, run: Run[CaptionConfig], given: Sequence[str]) -> list[_Input]:
        def test() -> Sequence[Pair]:
            return self.load(run.config.model_copy(update={"limit": None})).test

        def numbered(pair: Pair, name: str) -> _Input:
            return _Input(pair.source, f"{name}, {_quoted(pair.targets)}", pair.targets)

        def read(typed: str) -> _Input:
            try:
                return _Input(images.load(Path(typed), run.config.size), typed)
            except Unusable as error:
                raise PipelineError(f"{typed} {error}") from error

        return typed_inputs.resolve(given, self.input_noun, test, numbered, read)


class _Input(NamedTuple):
    """An image that the user asks about, what to call it, and its captions, if they are known."""

    image: Pixels
    name: str
    captions: tuple[str, ...] = ()


def _notes(source: Images, input: _Input) -> tuple[str, ...]:
    negative = source.is_negative(input.image)
    return ("it is dark on light, and was read as its negative",) if negative else ()


def _quoted(texts: Sequence[str]) -> str:
    return " or ".join(map(repr, texts))


def _say(loaded: Paired, config: CaptionConfig) -> None:
    """Say which columns are read."""
    texts = [text for each in loaded.train for text in each.targets]
    tokens = Tokens.fit(texts, config.tokens, 0)
    median = statistics.median(map(tokens.length, texts))
    count = sum(map(len, (loaded.train, loaded.validation, loaded.test)))
    rest = f" Ignored: {', '.join(loaded.ignored)}." if loaded.ignored else ""
    say(
        f"Image: {loaded.source} ({count:,} images, {config.size} x {config.size} pixels). "
        f"Text: {loaded.target} (median {median:g} {tokens.unit}).{rest}"
    )


task = Caption()
