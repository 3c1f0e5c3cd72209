"""A model in steps writes what the whole model writes, prefix by prefix."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline import batches, models
from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.models import encoder_decoder, seq2seq, stepping
from pipeline.models.stepwise import Stepwise
from tests.pipeline.untrained import run_of


@pytest.mark.parametrize(
    ("cell", "bidirectional", "width"),
    [("gru", True, 1), ("lstm", True, 4), ("projectionlstm", True, 4), ("qrnn", False, 4)],
)
def test_steps_find_what_the_whole_model_finds(cell: str, bidirectional: bool, width: int) -> None:
    keras.utils.set_random_seed(len(cell))
    settings = Config(task="any", cell=cell, units=6, bidirectional=bidirectional)
    model = encoder_decoder.build(
        settings, source="letters", ids=9, symbols=8, embedding=5, name="any"
    )
    model.set_weights([3 * each for each in model.get_weights()])  # so that it is sure of more
    random = np.random.default_rng(width)
    sources = [random.integers(1, 9, size=length) for length in random.integers(1, 12, size=40)]
    examples = seq2seq.examples({"letters": seq2seq.ragged(sources)}, [()] * len(sources))
    whole, steps = (
        seq2seq.search(compute, examples, width=width, longest=10, eval_batch_size=16)
        for compute in (batches.compute(model), Stepwise(model))
    )
    assert [[each.symbols for each in row] for row in steps] == [
        [each.symbols for each in row] for row in whole
    ]
    scores, expected = ([each.score for row in found for each in row] for found in (steps, whole))
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert len({best.symbols for best, *_ in whole}) > 3


@pytest.mark.parametrize(
    ("cell", "bidirectional"), [("lstm", True), ("projectionlstm", True), ("qrnn", False)]
)
def test_what_is_read_counts_and_padding_does_not(cell: str, bidirectional: bool) -> None:
    settings = Config(task="any", cell=cell, units=6, bidirectional=bidirectional)
    model = encoder_decoder.build(
        settings, source="letters", ids=9, symbols=8, embedding=6, name="any"
    )
    previous = np.array([[1, 2]])
    first, other, padded = (
        model({"letters": np.array([letters]), "previous": previous}).numpy()
        for letters in ([4, 5, 6], [3, 5, 6], [4, 5, 6, 0])
    )
    assert first.shape == (1, 2, 8)
    assert abs(first - other).max() > 1e-5
    np.testing.assert_allclose(padded, first, atol=1e-6)


def test_a_model_without_a_state_is_refused() -> None:
    read, previous = keras.Input((None,), name="read"), keras.Input((None,), name="previous")
    with pytest.raises(PipelineError, match="'plain' has no recurrent layer that reads what"):
        Stepwise(keras.Model([read, previous], keras.layers.Add()([read, previous]), name="plain"))


def search(model: keras.Model, examples: Examples) -> None:
    assert all(seq2seq.search(Stepwise(model), examples, width=2, longest=5))


def stream(model: keras.Model, examples: Examples) -> None:
    for symbol in (3, 4):
        stepping.streams(model)().feed(np.array([[symbol]]))


@pytest.mark.parametrize(
    ("name", "preset", "write"),
    [
        ("next_char", "next_char", stream),
        ("pronounce", "pronounce", search),
        ("spell", "digits", search),
    ],
)
def test_a_model_that_wrote_can_be_saved(
    name: str, preset: str, write: Callable[[keras.Model, Examples], None], tmp_path: Path
) -> None:
    with run_of(name, preset, tmp_path) as run:
        model, test = run.model(), run.task.data(run).test
    write(model, test)
    models.save(model, tmp_path / "model.keras", run.config, with_optimizer=False)
    saved = models.load(tmp_path / "model.keras", run.config, with_optimizer=False)
    ((inputs, _),) = batches.dataset(test, [np.arange(2)])
    found, expected = (batches.compute(each)(inputs) for each in (saved, run.model()))
    np.testing.assert_array_equal(found, expected)
