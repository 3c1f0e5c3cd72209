"""What is said of an input step by step: the numbers are true, and everyone can read the page."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import html5lib
import keras
import numpy as np
import pytest
import soundfile

import custom_layers
from pipeline import batches, models, recipes
from pipeline.config.classify import ClassifyConfig
from pipeline.errors import PipelineError
from pipeline.explain import drawing, measure, page, runs
from pipeline.explain.common import common
from pipeline.explain.measure import Explanation, LayerTrace
from pipeline.explain.spec import (
    Array,
    Explained,
    ExplainSpec,
    Text,
    Vectors,
    choice,
    given,
)
from pipeline.run import Run
from tests.clients.accessibility import faults
from tests.pipeline.small import Outcome, small
from tests.pipeline.small import trained as trained_run
from tests.pipeline.untrained import run_of

Command = Callable[..., Outcome]
BYTES = 2_000_000
SVG = "{http://www.w3.org/2000/svg}svg"
TEXT = 'The film is <script>alert("$x$")</script> not bad & <b>good</b>, said nobody'
WORDS = [
    "the",
    "film",
    "is",
    "script",
    "alert",
    "(",
    '"',
    "x",
    '"',
    ")",
    "script",
    "not",
    "bad",
    "b",
    "good",
    "b",
    ",",
    "said",
    "nobody",
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Run[ClassifyConfig]:
    """A run that reads from both ends. Leave it as it is."""
    settings = small(bidirectional=True, epochs=1)
    return trained_run(tmp_path_factory.mktemp("runs") / "both", settings, [])


@pytest.fixture(scope="module")
def explanation(both: Run[ClassifyConfig]) -> Explanation:
    return explained(both, TEXT)


@pytest.fixture(scope="module")
def file(both: Run[ClassifyConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two runs."""
    path = tmp_path_factory.mktemp("pages") / "page.html"
    runs.explain([both, both], TEXT, path)
    return path


@pytest.fixture(scope="module")
def written(file: Path) -> Any:
    """The page of two runs, parsed."""
    return parsed(file)


def parsed(file: Path) -> Any:
    """A page; what is no HTML5 is an error."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(file.read_text(encoding="utf-8"))


def explained(run: Run[Any], input: str) -> Explanation:
    model = run.model()
    spec = run.task.explain_spec(run, model, input)
    return measure.explain("model", run.config, spec)


def test_everyone_can_read_it_from_disk(file: Path) -> None:
    assert file.stat().st_size < BYTES
    assert faults(file) == []


def text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def test_what_it_says_is_what_it_says_about_each_beginning(
    both: Run[ClassifyConfig], explanation: Explanation
) -> None:
    assert list(explanation.spec.steps) == WORDS
    (ids,) = explanation.spec.inputs.values()
    prefixes = np.tril(np.ones((ids.size, ids.size), np.int32)) * ids
    np.testing.assert_allclose(
        explanation.predictions, both.model().predict(prefixes, verbose=0), atol=1e-5
    )
    chosen = explanation.predictions[-1].argmax()
    first, *_ = explanation.explained.curves.values()
    np.testing.assert_array_equal(first, explanation.predictions[:, chosen])


def test_gradients_are_finite_differences_of_the_embedding() -> None:
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    words = keras.layers.Embedding(9, 3, mask_zero=True, dtype="float64", name="words")
    memory = keras.layers.Bidirectional(custom_layers.GRU(4, dtype="float64"), dtype="float64")
    label = keras.layers.Dense(3, activation="softmax", dtype="float64")
    model = keras.Model(tokens, label(memory(words(tokens))))
    ids = np.array([[3, 1, 4, 8, 5]], np.int32)
    explain = choice("abc")(model(ids).numpy())
    dependence = measure.dependence(model, {"tokens": ids}, "tokens", explain.score)
    chosen = int(model(ids).numpy().argmax())
    (table,) = words.get_weights()

    def log_odds(place: tuple[int, int], nudge: float) -> float:
        nudged = table.copy()
        nudged[place] += nudge
        words.set_weights([nudged])
        probability = model(ids).numpy()[0, chosen]
        return float(np.log(probability / (1 - probability)))

    slopes = [
        [(log_odds((word, k), 1e-5) - log_odds((word, k), -1e-5)) / 2e-5 for k in range(3)]
        for word in ids[0]
    ]
    np.testing.assert_allclose(dependence.values, table[ids[0]])
    np.testing.assert_allclose(dependence.gradients, [slopes], rtol=1e-3, atol=3e-4)
    np.testing.assert_allclose(dependence.norms, [np.linalg.norm(slopes, axis=-1)], rtol=1e-2)
    pushes = (np.array(slopes) * table[ids[0]]).sum(-1)
    np.testing.assert_allclose(dependence.pushes, [pushes], rtol=1e-3, atol=3e-4)


def test_both_directions_are_in_the_order_of_reading(
    both: Run[ClassifyConfig], explanation: Explanation
) -> None:
    layer_traces = {
        layer_trace.layer.split("_")[0]: layer_trace for layer_trace in explanation.layer_traces
    }
    seen = custom_layers.trace(both.model(), explanation.spec.inputs["tokens"])
    for way, order in (("forward", 1), ("backward", -1)):
        layer_trace, (expected,) = (
            layer_traces[way],
            (seen[name] for name in seen if name.startswith(way)),
        )
        np.testing.assert_allclose(
            layer_trace.states["h"], expected.states["h"][0][::order], atol=1e-6
        )
        np.testing.assert_allclose(
            layer_trace.gates["z"], expected.gates["z"][0][::order], atol=1e-6
        )
    assert layer_traces["backward"].backwards and len(layer_traces) == 2


def layer_trace(**changes: Any) -> LayerTrace:
    """Three units over five steps, the last two of them padding."""
    state = np.array([[0.1, 0.9, 0], [0.2, 0, 0], [0.9, 0, -0.8], [9, 9, 9], [9, 9, 9]])
    return replace(
        LayerTrace(
            layer="gru",
            backwards=False,
            gates={"z": np.arange(15).reshape(5, 3) / 15},
            states={"h": state},
            real=np.array([True, True, True, False, False]),
            gradients={"h": np.array([1.0, 2, 4, 9, 9])},
            clip=0.5,
        ),
        **changes,
    )


def picture(axes: Any) -> Any:
    (image,) = axes.images
    return image.get_array()


def hatched(axes: Any) -> list[tuple[float, float]]:
    """Where something is hatched: its left edge, and its width."""
    return [(patch.get_x(), patch.get_width()) for patch in axes.patches if patch.get_hatch()]


def lines(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in axes.lines}


def test_a_heat_map_has_a_row_for_each_unit_by_when_it_is_most_active(
    explanation: Explanation,
) -> None:
    spec = replace(explanation.spec, steps=list("abcde"))
    drawn = drawing.gates(replace(explanation, spec=spec), layer_trace())
    above, below, *_ = (axes for axes in drawn.figure.axes if axes.images)
    gate, state = picture(above), picture(below)
    # Unit 1 is most active at the first step, units 0 and 2 at the third.
    np.testing.assert_allclose(gate[:, :3], layer_trace().gates["z"][:3, [1, 0, 2]].T)
    np.testing.assert_allclose(state[:, :3], layer_trace().states["h"][:3, [1, 0, 2]].T)
    assert gate.mask[:, 3:].all() and gate.shape == (3, 5)
    for axes in (above, below):
        assert hatched(axes) == [(2.5, 2.0)]
    assert "2 steps that it does not read are hatched" in drawn.description


def test_steps_that_no_layer_looks_at_are_hatched(explanation: Explanation) -> None:
    spec = replace(explanation.spec, steps=list("abcdefg"))
    drawn = drawing.gates(replace(explanation, spec=spec), layer_trace())
    above, *_ = (axes for axes in drawn.figure.axes if axes.images)
    assert hatched(above) == [(-0.5, 2.0), (4.5, 2.0)]


def test_the_gradient_is_drawn_by_lag_with_the_clip(explanation: Explanation) -> None:
    before = layer_trace(gradients={"h": np.array([0.0, 1, 8, 9, 9])})
    drawn = drawing.lags(replace(explanation, layer_traces=[layer_trace()], untrained=[before]))
    (axes,) = drawn.figure.axes
    assert axes.get_yscale() == "log"
    curves = lines(axes)
    np.testing.assert_array_equal(curves["gru h, trained"].get_ydata(), [4, 2, 1])
    np.testing.assert_array_equal(curves["untrained"].get_ydata(), [8, 1, np.nan])
    np.testing.assert_array_equal(curves["clip, 0.5"].get_ydata(), [0.5, 0.5])
    np.testing.assert_array_equal(layer_trace(backwards=True).by_lag("h"), [1, 2, 4])


def test_the_untrained_model_is_another_and_the_same_again(both: Run[ClassifyConfig]) -> None:
    model = both.model()
    one, again = (measure.untrained(model, seed=3) for _ in range(2))
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.allclose(one[0], model.get_weights()[0])


def test_the_page_has_every_word_and_says_all_that_is_coloured(
    written: Any, explanation: Explanation
) -> None:
    figures = [each for each in written.iter("figure") if each.get("class") == "tokens"]
    assert len(figures) == 4  # two of each model
    for figure in figures:
        assert [text(each) for each in figure.iter("span")] == WORDS
    tables = [
        each for each in written.iter("table") if "step by step" in text(each.find("caption"))
    ]
    rows = [[text(cell) for cell in row] for row in tables[0].find("tbody")]
    assert [row[1] for row in rows] == WORDS
    chosen = explanation.predictions.max(-1)
    np.testing.assert_allclose([float(row[2].split()[-1]) for row in rows], chosen, atol=6e-4)
    pushes = [float(row[5]) for row in rows]
    np.testing.assert_allclose(pushes, explanation.dependence.pushes[0], rtol=0.01, atol=1e-6)


def test_the_page_needs_no_network_and_runs_no_program(written: Any) -> None:
    assert not list(written.iter("script")) and "<script>alert" in text(written.find(".//h1"))
    for element in written.iter():
        for name, value in element.items():
            if name in ("src", "href", "srcset", "data") or "url(" in value:
                assert re.match(r"#|data:|.*url\(#", value), (element.tag, name, value[:80])
    assert "@import" not in text(written.find(".//style"))


def test_pictures_are_said_in_words(written: Any) -> None:
    pictures = list(written.iter(SVG))
    assert len(pictures) == 1 + 2 * (2 + 1)
    assert all(each.get("role") == "img" and each.get("aria-label") for each in pictures)


def test_readings_that_share_steps_are_put_together() -> None:
    text = ["the", "film", "the", "end", "the"]
    assert common([text]).steps == text
    steps, places = common([text[:2], text, ["a", *text[2:], "is"], text[:2]])
    assert " ".join(steps) == "the film a the end the is"
    assert [each.tolist() for each in places] == [[0, 1], [0, 1, 3, 4, 5], [2, 3, 4, 5, 6], [0, 1]]


def test_a_run_that_is_to_read_less_has_the_first_steps(both: Run[ClassifyConfig]) -> None:
    run = Run(both.path, both.config.model_copy(update={"max_length": 3}))
    assert run.task.explain_spec(run, both.model(), TEXT).steps == WORDS[:3]


def test_steps_that_a_run_does_not_read_are_hatched(
    explanation: Explanation, tmp_path: Path
) -> None:
    last = 9  # from which step on the second run reads
    spec, says = explanation.spec, explanation.explained
    assert isinstance(spec.view, Text)
    less = replace(
        explanation,
        name="less",
        predictions=explanation.predictions[last:],
        spec=replace(spec, steps=WORDS[last:], view=Text(WORDS[last:])),
        explained=says._replace(
            curves={name: values[last:] for name, values in reversed([*says.curves.items()])},
            said=says.said[last:],
        ),
        dependence=measure.Dependence(
            explanation.dependence.values[last:], explanation.dependence.gradients[:, last:]
        ),
    )
    drawn = drawing.course([explanation, less], common([WORDS, less.spec.steps]))
    above, below = drawn.figure.axes
    for axes, spans in ((above, []), (below, [(-0.5, float(last))])):
        assert hatched(axes) == spans
    whole, part = lines(above), lines(below)
    for name, values in says.curves.items():
        np.testing.assert_array_equal(whole[name].get_ydata(), values)
        np.testing.assert_array_equal(part[name].get_ydata()[last:], values[last:])
        assert np.isnan(part[name].get_ydata()[:last]).all()
        assert part[name].get_color() == whole[name].get_color()
    page.write("task", [explanation, less], tmp_path / "page.html", None)
    written = parsed(tmp_path / "page.html")
    assert f"less has {len(WORDS) - last} of these {len(WORDS)} words" in text(written)
    for table, first in zip(written.iter("table"), (1, last + 1), strict=True):
        rows = [[text(cell) for cell in row][:2] for row in table.find("tbody")]
        numbered = list(enumerate(WORDS, start=1))[first - 1 :]
        assert rows == [[str(place), word] for place, word in numbered]


def test_the_command_writes_page_and_figures(
    recurrent: Command, both: Run[ClassifyConfig], tmp_path: Path
) -> None:
    file, folder = tmp_path / "page.html", tmp_path / "figures"
    outcome = recurrent("explain", both.path, TEXT, "--to", file, "--figures", folder)
    assert (outcome.status, outcome.out) == (0, f"{file}\n")
    names = {each.stem for each in folder.iterdir()}
    assert {each.suffix for each in folder.iterdir()} == {".svg", ".png"}
    assert {name.split("-")[0] for name in names} == {"course", "gates", "lags"}
    assert file.stat().st_size < BYTES


def test_what_cannot_be_explained_is_said_in_one_line(
    recurrent: Command, both: Run[ClassifyConfig], tmp_path: Path
) -> None:
    with run_of("memory", "adding", tmp_path / "other") as other:
        pass
    with run_of("digits", "digits", tmp_path / "near") as near:
        pass
    with run_of("memory", "rows", tmp_path / "far") as far:
        pass
    for arguments, message in (
        ((both.path, "~~~"), "there is no word in the text"),
        ((both.path, "film", "--beside", other.path), "is a run of regress"),
        ((near.path, "1", "--beside", far.path), "'1' is something else to"),
    ):
        outcome = recurrent("explain", *arguments, "--to", tmp_path / "page.html")
        assert outcome.status == 1 and outcome.err.count("\n") == 1 and message in outcome.err
    assert not (tmp_path / "page.html").exists()


PRESETS = [
    (name, preset)
    for name in recipes.names()
    if name not in ("caption", "classify", "forecast", "language", "regress", "tag", "transduce")
    for preset in recipes.get(name).presets
]
INPUTS = {
    "next_char": "To be,\nor",
    "next_word": "To be, or not",
    "parts_of_speech": "Kediler nerede ?",
    "pronounce": "bad",
    "sentiment": TEXT,
}  # the others take the number of a test example


def asked(run: Run[Any], input: str | None = None) -> tuple[ExplainSpec, Array, Explained]:
    """How the model of a run reads, what it answers after each step, and what is explained."""
    spec = run.task.explain_spec(run, run.model(), input or INPUTS.get(run.config.recipe_name, "1"))
    predictions = spec.running(batches.compute(spec.model), spec)
    return spec, predictions, spec.explain(predictions)


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_is_read_step_by_step(name: str, preset: str, tmp_path: Path) -> None:
    with run_of(name, preset, tmp_path) as run:
        spec, predictions, explained = asked(run)
        scores = explained.score(spec.model(given(spec.inputs)))
    assert len(predictions) == len(explained.said) == len(spec.steps)
    assert np.isfinite(predictions).all() and np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("digits", "spoken_digit"),
        ("memory", "adding"),
        ("memory", "copying"),
        ("next_char", "next_char"),
        ("spell", "digits"),
        ("trajectory", "hawkeye"),
        ("pronounce", "pronounce"),
    ],
)
def test_every_view_has_its_page(name: str, preset: str, tmp_path: Path) -> None:
    with run_of(name, preset, tmp_path) as run:
        runs.explain([run], INPUTS.get(name, "1"), tmp_path / "page.html")
    written = parsed(tmp_path / "page.html")
    assert len(list(written.iter(SVG))) >= 3
    assert "nan" not in text(written).split()
    assert ("cut to the clip" in text(written)) == (name == "memory")


def test_a_sum_is_explained_by_its_slopes(tmp_path: Path) -> None:
    with run_of("memory", "adding", tmp_path, cell="gru", chrono_steps=None) as run:
        spec, predictions, explained = asked(run)
    model, (rows,) = run.model(), spec.inputs["vectors"]
    mean = model.predict(rows[None], verbose=0)[0, 0, 0]
    np.testing.assert_allclose(predictions[-1][0, 0], mean, atol=1e-6)
    assert explained.answer.split()[1] == f"{mean:.4g}"

    dependence = measure.dependence(model, spec.inputs, spec.source, explained.score)
    nudges = 0.05 * np.eye(rows.size, dtype="float32").reshape(-1, *rows.shape)
    more, less = (model.predict(rows + sign * nudges, verbose=0)[:, 0, 0] for sign in (1, -1))
    slopes = (more - less).reshape(rows.shape) / 0.1
    assert abs(slopes).max() > 0.01
    np.testing.assert_allclose(dependence.gradients, [slopes], rtol=0.05, atol=1e-3)


def test_what_is_copied_depends_on_what_was_read_before_it(tmp_path: Path) -> None:
    signs = [*"0123456701", "blank", *["go"] * 10]
    with run_of("memory", "copying", tmp_path) as run:
        spec, predictions, explained = asked(run, " ".join(signs))
    assert spec.steps == spec.read == signs
    told = np.asarray(spec.model(given(spec.inputs)))[0]
    np.testing.assert_allclose(predictions, told, atol=1e-6)
    labels = map(str, told.argmax(-1))
    assert explained.answer == " ".join(map("/".join, zip(signs, labels, strict=True)))
    source, score = spec.source, explained.score
    norms = measure.dependence(spec.model, spec.inputs, source, score).norms
    np.testing.assert_array_equal(norms > 0, np.tri(21, dtype=bool))


def test_a_waveform_is_explained_by_the_frames_that_are_heard(tmp_path: Path) -> None:
    rate = 8_000
    with run_of("digits", "spoken_digit", tmp_path) as run:
        waveform = run.task.data(run).raw.test.inputs[0].samples
        soundfile.write(tmp_path / "padded.wav", np.pad(waveform, (0, rate)), rate)
        soundfile.write(tmp_path / "beginning.wav", waveform[: rate // 5], rate)
        soundfile.write(tmp_path / "silence.wav", np.zeros(rate, np.int16), rate)
        spec, predictions, _ = asked(run, "1")
        padded, beginning = (
            asked(run, str(tmp_path / f"{name}.wav")) for name in ("padded", "beginning")
        )
        with pytest.raises(PipelineError, match=r"silence\.wav is silent"):
            asked(run, str(tmp_path / "silence.wav"))
    (whole,) = run.model().predict(waveform[None], verbose=0)
    np.testing.assert_allclose(predictions[-1], whole, atol=1e-5)
    np.testing.assert_allclose(padded[1], predictions, atol=1e-5)
    # The last two frames of a beginning go on into silence.
    np.testing.assert_allclose(beginning[1][:18], predictions[:18], atol=1e-5)
    # A frame lasts 25 ms; one begins every 10 ms, for as long as there is sound.
    assert len(spec.steps) == -(-len(waveform) * 100 // rate)
    assert isinstance(spec.view, Vectors) and spec.view.values.shape[1] == 40
    seconds = [float(step.removesuffix(" s")) for step in spec.steps]
    np.testing.assert_allclose(seconds, 0.0125 + 0.01 * np.arange(len(seconds)), atol=0.005)


def write_more(run: Run[Any], times: int = 1) -> None:
    """Let the model of a run, its weights so many times as large, write some symbols."""
    model = run.model()
    model.set_weights([times * each for each in model.get_weights()])
    bias = model.get_layer("probabilities").bias
    bias.assign(np.random.default_rng(0).normal(size=bias.shape))
    models.save(model, run.path / "model.keras", run.config, with_optimizer=False)


def test_a_pronunciation_is_explained_by_what_is_told(tmp_path: Path) -> None:
    with run_of("pronounce", "pronounce", tmp_path) as run:
        write_more(run)
        spec, _, explained = asked(run, "bad")
        (told,) = run.task.predict(run, ["bad"])
    assert spec.read == ["b", "a", "d"]
    phonemes, probability, _ = told.text.split("\t")
    assert spec.notes == ()
    assert explained.answer == phonemes and len(phonemes.split()) > 1
    ((_, each),) = explained.curves.items()
    assert float(probability) == pytest.approx(np.exp(np.log(each).sum()), abs=6e-4)


def tables(file: Path) -> dict[str, list[list[str]]]:
    """The tables of a page by their captions; the first row has the headings."""
    return {
        text(table.find("caption")): [[text(cell) for cell in row] for row in table.iter("tr")]
        for table in parsed(file).iter("table")
    }


def test_each_phoneme_attends_to_letters(tmp_path: Path) -> None:
    with run_of("pronounce", "pronounce", tmp_path) as run:
        write_more(run, times=9)
        explanation = explained(run, "bad")
    spec, found = explanation.spec, explanation.attention
    decoded, memory, _ = (
        keras.Model(spec.model.inputs, each)(given(spec.inputs)).numpy()[0]
        for each in spec.model.get_layer("attention").input
    )
    weights = np.exp(decoded @ memory.T)
    weights /= weights.sum(-1, keepdims=True)
    assert found is not None and np.ptp(weights) > 0.01
    np.testing.assert_allclose(found, weights, atol=1e-6)

    (axes, _) = drawing.attention(explanation, found).figure.axes
    np.testing.assert_allclose(picture(axes), weights, atol=1e-6)
    assert [each.get_text() for each in axes.get_xticklabels()] == ["b", "a", "d"]

    page.write("task", [explanation], tmp_path / "page.html", None)
    (shown,) = (
        rows for caption, rows in tables(tmp_path / "page.html").items() if "attends" in caption
    )
    assert shown[0] == ["words", "b", "a", "d"]
    assert [row[0] for row in shown[1:]] == list(spec.steps)
    numbers = [[float(cell) for cell in row[1:]] for row in shown[1:]]
    np.testing.assert_allclose(numbers, weights, rtol=0.01)


@pytest.mark.parametrize(
    ("name", "preset", "input"),
    [
        ("memory", "adding", "1"),
        ("memory", "copying", "1"),
        ("next_char", "next_char", "To be, ~"),
        ("parts_of_speech", "parts_of_speech", "Kediler nerede ?"),
        ("pronounce", "pronounce", "bad~"),
        ("spell", "digits", "1"),
        ("trajectory", "hawkeye", "1"),
    ],
)
def test_the_answer_and_the_notes_are_those_of_predict(
    name: str, preset: str, input: str, tmp_path: Path
) -> None:
    with run_of(name, preset, tmp_path) as run:
        if name in ("pronounce", "spell"):
            write_more(run)
        spec, _, explained = asked(run, input)
        (told,) = run.task.predict(run, [input])
    pieces = set(re.split(r"[\s,:]+", told.text))
    answer = set(re.split(r"[\s,:]+", explained.answer))
    assert explained.answer and answer - pieces <= {"sum", "comes", "next"}
    assert set(spec.notes) <= set(told.notes)
    assert bool(spec.notes) == ("~" in input)


def test_numbers_are_explained_with_their_interval(tmp_path: Path) -> None:
    with run_of("trajectory", "hawkeye", tmp_path) as run:
        spec, _, explained = asked(run, "1")
    outputs = run.model().predict(spec.inputs, verbose=0)[0, -1, 0]
    last = [values[-1] for values in explained.curves.values()]
    np.testing.assert_allclose(last, outputs[[0, 1, 3]], rtol=1e-5)


def test_a_long_sentence_is_explained_in_part(tmp_path: Path) -> None:
    with run_of("parts_of_speech", "parts_of_speech", tmp_path) as run:
        spec = run.task.explain_spec(run, run.model(), "a " * 120)
    assert len(spec.steps) == 100
    assert "only the first 100 of its 120 words are explained" in spec.notes


def test_features_have_their_names(explanation: Explanation) -> None:
    count = len(explanation.spec.steps)
    view = Vectors(np.random.default_rng(0).normal(size=(count, 2)), "number", ["mw", "wind"])
    axes, *_ = drawing.strip(explanation, view).figure.axes
    assert [each.get_text() for each in axes.get_yticklabels()] == ["mw", "wind"]


def test_colours_of_numbers_go_from_the_lowest_to_the_highest(
    explanation: Explanation, tmp_path: Path
) -> None:
    stars = np.linspace(5, 1, len(WORDS))
    says = explanation.explained._replace(curves={"stars": stars}, quantity="stars")
    rated = replace(explanation, explained=says)
    page.write("task", [rated], tmp_path / "page.html", None)
    figure = next(
        each
        for each in parsed(tmp_path / "page.html").iter("figure")
        if each.get("class") == "tokens"
    )
    assert "the higher stars, from 1 to 5" in text(figure.find("figcaption"))
    shares = [float(re.sub("[^0-9.]", "", each.get("style", "0"))) for each in figure.iter("span")]
    np.testing.assert_allclose(shares, np.linspace(100, 0, len(WORDS)), atol=0.1)
