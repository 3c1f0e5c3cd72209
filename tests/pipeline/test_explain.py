"""What is said of a subject step by step: the numbers are true, and everyone can read the page."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import html5lib
import keras
import numpy as np
import pytest
import soundfile

import custom_layers
from pipeline import batches, config, models, recipes
from pipeline.config.classify import ClassifyConfig
from pipeline.errors import PipelineError
from pipeline.explain import drawing, measure, page, runs
from pipeline.explain.common import common
from pipeline.explain.measure import Explanation, Walk
from pipeline.explain.reading import (
    Array,
    Explained,
    Numbers,
    Reading,
    Text,
    Vectors,
    choice,
    given,
)
from pipeline.models import seq2seq
from pipeline.run import Run
from tests.clients.accessibility import faults
from tests.pipeline.dictionaries import dictionary, made_up_lines
from tests.pipeline.photos import walls
from tests.pipeline.served import Example, served
from tests.pipeline.small import Outcome, small
from tests.pipeline.small import trained as trained_run
from tests.pipeline.talks import told
from tests.pipeline.voices import whistled

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


def explained(run: Run[Any], subject: str) -> Explanation:
    model = run.model()
    reading = run.task.reading(run, model, subject)
    return measure.explain("model", run.config, reading)


def test_everyone_can_read_it_from_disk(file: Path) -> None:
    assert file.stat().st_size < BYTES
    assert faults(file) == []


def text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def test_what_it_says_is_what_it_says_about_each_beginning(
    both: Run[ClassifyConfig], explanation: Explanation
) -> None:
    assert list(explanation.reading.steps) == WORDS
    (ids,) = explanation.reading.inputs.values()
    prefixes = np.tril(np.ones((ids.size, ids.size), np.int32)) * ids
    np.testing.assert_allclose(
        explanation.answers, both.model().predict(prefixes, verbose=0), atol=1e-5
    )
    chosen = explanation.answers[-1].argmax()
    first, *_ = explanation.explained.curves.values()
    np.testing.assert_array_equal(first, explanation.answers[:, chosen])


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
    walks = {walk.layer.split("_")[0]: walk for walk in explanation.walks}
    seen = custom_layers.trace(both.model(), explanation.reading.inputs["tokens"])
    for way, order in (("forward", 1), ("backward", -1)):
        walk, (traced,) = walks[way], (seen[name] for name in seen if name.startswith(way))
        np.testing.assert_allclose(walk.states["h"], traced.states["h"][0][::order], atol=1e-6)
        np.testing.assert_allclose(walk.gates["z"], traced.gates["z"][0][::order], atol=1e-6)
    assert walks["backward"].backwards and len(walks) == 2


def walk(**changes: Any) -> Walk:
    """Three units over five steps, the last two of them padding."""
    state = np.array([[0.1, 0.9, 0], [0.2, 0, 0], [0.9, 0, -0.8], [9, 9, 9], [9, 9, 9]])
    return replace(
        Walk(
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
    reading = replace(explanation.reading, steps=list("abcde"))
    drawn = drawing.gates(replace(explanation, reading=reading), walk())
    above, below, *_ = (axes for axes in drawn.figure.axes if axes.images)
    gate, state = picture(above), picture(below)
    # Unit 1 is most active at the first step, units 0 and 2 at the third.
    np.testing.assert_allclose(gate[:, :3], walk().gates["z"][:3, [1, 0, 2]].T)
    np.testing.assert_allclose(state[:, :3], walk().states["h"][:3, [1, 0, 2]].T)
    assert gate.mask[:, 3:].all() and gate.shape == (3, 5)
    for axes in (above, below):
        assert hatched(axes) == [(2.5, 2.0)]
    assert "2 steps that it does not read are hatched" in drawn.description


def test_steps_that_no_layer_looks_at_are_hatched(explanation: Explanation) -> None:
    reading = replace(explanation.reading, steps=list("abcdefg"))
    drawn = drawing.gates(replace(explanation, reading=reading), walk())
    above, *_ = (axes for axes in drawn.figure.axes if axes.images)
    assert hatched(above) == [(-0.5, 2.0), (4.5, 2.0)]


def test_the_gradient_is_drawn_by_lag_with_the_clip(explanation: Explanation) -> None:
    before = walk(gradients={"h": np.array([0.0, 1, 8, 9, 9])})
    drawn = drawing.lags(replace(explanation, walks=[walk()], untrained=[before]))
    (axes,) = drawn.figure.axes
    assert axes.get_yscale() == "log"
    curves = lines(axes)
    np.testing.assert_array_equal(curves["gru h, trained"].get_ydata(), [4, 2, 1])
    np.testing.assert_array_equal(curves["untrained"].get_ydata(), [8, 1, np.nan])
    np.testing.assert_array_equal(curves["clip, 0.5"].get_ydata(), [0.5, 0.5])
    np.testing.assert_array_equal(walk(backwards=True).by_lag("h"), [1, 2, 4])


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
    chosen = explanation.answers.max(-1)
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
    assert run.task.reading(run, both.model(), TEXT).steps == WORDS[:3]


def test_steps_that_a_run_does_not_read_are_hatched(
    explanation: Explanation, tmp_path: Path
) -> None:
    last = 9  # from which step on the second run reads
    reading, says = explanation.reading, explanation.explained
    assert isinstance(reading.view, Text)
    less = replace(
        explanation,
        name="less",
        answers=explanation.answers[last:],
        reading=replace(reading, steps=WORDS[last:], view=Text(WORDS[last:])),
        explained=says._replace(
            curves={name: values[last:] for name, values in reversed([*says.curves.items()])},
            said=says.said[last:],
        ),
        dependence=measure.Dependence(
            explanation.dependence.values[last:], explanation.dependence.gradients[:, last:]
        ),
    )
    drawn = drawing.course([explanation, less], common([WORDS, less.reading.steps]))
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
    other = Run.create(tmp_path / "other", recipes.get("memory").presets["adding"]())
    with run_of("memory", "country", tmp_path / "near", gap=10) as near:
        pass
    with run_of("memory", "country", tmp_path / "far", gap=20) as far:
        pass
    for arguments, message in (
        ((both.path, "~~~"), "there is no word in the text"),
        ((both.path, "film", "--beside", other.path), "is a run of memory"),
        ((near.path, "1", "--beside", far.path), "'1' is something else to"),
    ):
        outcome = recurrent("explain", *arguments, "--to", tmp_path / "page.html")
        assert outcome.status == 1 and outcome.err.count("\n") == 1 and message in outcome.err
    assert not (tmp_path / "page.html").exists()


SHORT = {
    "limit": 16,
    "epochs": 1,
    "units": 3,
    "batch_size": 8,
    "embedding": 4,
    "embedding_dim": 4,
    "filters": 2,
}
PRESETS = [
    (name, preset)
    for name in recipes.names()
    if name not in ("classify", "forecast", "regress", "tag")  # they name no data
    for preset in recipes.get(name).presets
]
FEWER: dict[str, dict[str, Any]] = {  # and whatever else makes a preset small
    "adding": {"gap": 12},
    "copying": {"gap": 5},
    "country": {"gap": 10},
    "hawkeye": {"simulated": 16},
    "next_char": {"window": 30},
}
SUBJECTS = {
    "next_char": "To be,\nor",
    "next_word": "To be, or not",
    "parts_of_speech": "Kediler nerede ?",
    "pronounce": "bad",
    "sentiment": TEXT,
    "translate": "O gato tem zzyzx.",
}  # the others take the number of a test example


def split(draw: Callable[[int], list[Example]], *names: str) -> dict[str, list[Example]]:
    """Draw each split by a seed of its own."""
    return {name: draw(seed) for seed, name in enumerate(names or ("train", "validation", "test"))}


@contextmanager
def made_up(preset: str, folder: Path) -> Iterator[None]:
    """The data of a preset, where those there are cannot be had in a test, or take long."""
    served_by_tfds: dict[str, Callable[[], dict[str, list[Example]]]] = {
        "photos": lambda: split(partial(walls, 8), "train", "restval", "val", "test"),
        "speech_commands": lambda: split(partial(whistled, 16_000, 12, 12)),
        "spoken_digit": lambda: {"train": whistled(8_000, 10, 60, seed=0)},
        "translate": lambda: split(partial(told, 10)),
    }
    with ExitStack() as stack:
        if preset in served_by_tfds:
            stack.enter_context(served(served_by_tfds[preset]()))
        if preset == "pronounce":
            stack.enter_context(dictionary(made_up_lines(60), folder))
        yield


@contextmanager
def run_of(name: str, preset: str, folder: Path, **settings: Any) -> Iterator[Run[Any]]:
    """A small run of a preset, and its data for as long as it is looked at."""
    chosen = recipes.get(name).presets[preset]()
    fewer = {each: value for each, value in SHORT.items() if hasattr(chosen, each)}
    with made_up(preset, folder):
        yield untested(folder / "run", config.merge(chosen, fewer, FEWER.get(preset, {}), settings))


def asked(run: Run[Any], subject: str | None = None) -> tuple[Reading, Array, Explained]:
    """How the model of a run reads, what it answers after each step, and what is explained."""
    reading = run.task.reading(
        run, run.model(), subject or SUBJECTS.get(recipes.of(run.config), "1")
    )
    answers = reading.running(batches.compute(reading.model), reading)
    return reading, answers, reading.explain(answers)


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_is_read_step_by_step(name: str, preset: str, tmp_path: Path) -> None:
    with run_of(name, preset, tmp_path) as run:
        reading, answers, explained = asked(run)
        scores = explained.score(reading.model(given(reading.inputs)))
    assert len(answers) == len(explained.said) == len(reading.steps)
    assert np.isfinite(answers).all() and np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("digits", "spoken_digit"),
        ("memory", "adding"),
        ("memory", "copying"),
        ("next_char", "next_char"),
        ("spell", "digits"),
        ("trajectory", "hawkeye"),
        ("translate", "translate"),
    ],
)
def test_every_view_has_its_page(name: str, preset: str, tmp_path: Path) -> None:
    with run_of(name, preset, tmp_path) as run:
        runs.explain([run], SUBJECTS.get(name, "1"), tmp_path / "page.html")
    written = parsed(tmp_path / "page.html")
    assert len(list(written.iter(SVG))) >= 3
    assert "nan" not in text(written).split()
    assert ("cut to the clip" in text(written)) == (name == "memory")


def test_the_sum_is_explained_by_the_numbers_and_their_marks(tmp_path: Path) -> None:
    with run_of("memory", "adding", tmp_path, cell="gru", initialisation="default") as run:
        reading, answers, explained = asked(run)
    model, (rows,) = run.model(), reading.inputs["vectors"]
    beginnings = [model.predict(rows[None, :count], verbose=0)[0] for count in range(1, 13)]
    np.testing.assert_allclose(answers, beginnings, atol=1e-6)
    assert explained.answer == f"{beginnings[-1][0]:.3f}"
    assert isinstance(reading.view, Numbers)
    marked = [step for step in reading.steps if step.endswith(", marked")]
    assert marked == [f"{number:.3f}, marked" for number, mark in rows if mark == 1]
    assert len(marked) == reading.view.marked.sum() == 2

    dependence = measure.dependence(model, reading.inputs, reading.source, explained.score)
    nudges = 0.05 * np.eye(rows.size, dtype="float32").reshape(-1, *rows.shape)
    more, less = (model.predict(rows + sign * nudges, verbose=0) for sign in (1, -1))
    slopes = (more - less).reshape(rows.shape) / 0.1
    assert abs(slopes).max() > 0.1
    np.testing.assert_allclose(dependence.gradients, [slopes], rtol=0.05, atol=1e-3)


def test_what_is_copied_depends_on_what_was_read_before_it(tmp_path: Path) -> None:
    with run_of("memory", "copying", tmp_path) as run:
        reading, answers, explained = asked(run)
    (signs,) = reading.inputs["tokens"]
    right = signs[:10] - 1
    assert reading.steps == list(map(str, right))
    assert reading.read == [*reading.steps, *["blank"] * 5, *["go"] * 10]
    told = run.model().predict(signs[None], verbose=0)
    np.testing.assert_allclose(answers, told[0], atol=1e-6)
    ((_, probabilities),) = explained.curves.items()
    np.testing.assert_allclose(probabilities, told[0][range(10), right], atol=1e-6)
    np.testing.assert_allclose(explained.score(told), np.log(probabilities), atol=1e-5)
    assert explained.answer == " ".join(map(str, told[0].argmax(-1)))
    norms = measure.dependence(run.model(), reading.inputs, "tokens", explained.score).norms
    np.testing.assert_array_equal(norms > 0, np.tri(10, 25, 15, bool))


def test_a_waveform_is_explained_by_the_frames_that_are_heard(tmp_path: Path) -> None:
    rate = 8_000
    with run_of("digits", "spoken_digit", tmp_path) as run:
        waveform = run.task.data(run).raw.test.inputs[0].samples
        soundfile.write(tmp_path / "padded.wav", np.pad(waveform, (0, rate)), rate)
        soundfile.write(tmp_path / "beginning.wav", waveform[: rate // 5], rate)
        soundfile.write(tmp_path / "silence.wav", np.zeros(rate, np.int16), rate)
        reading, answers, _ = asked(run, "1")
        padded, beginning = (
            asked(run, str(tmp_path / f"{name}.wav")) for name in ("padded", "beginning")
        )
        with pytest.raises(PipelineError, match=r"silence\.wav is silent"):
            asked(run, str(tmp_path / "silence.wav"))
    (whole,) = run.model().predict(waveform[None], verbose=0)
    np.testing.assert_allclose(answers[-1], whole, atol=1e-5)
    np.testing.assert_allclose(padded[1], answers, atol=1e-5)
    # The last two frames of a beginning go on into silence.
    np.testing.assert_allclose(beginning[1][:18], answers[:18], atol=1e-5)
    # A frame lasts 25 ms; one begins every 10 ms, for as long as there is sound.
    assert len(reading.steps) == -(-len(waveform) * 100 // rate)
    assert isinstance(reading.view, Vectors) and reading.view.values.shape[1] == 40
    seconds = [float(step.removesuffix(" s")) for step in reading.steps]
    np.testing.assert_allclose(seconds, 0.0125 + 0.01 * np.arange(len(seconds)), atol=0.005)


def test_a_translation_is_explained_word_by_word(tmp_path: Path) -> None:
    with run_of("translate", "translate", tmp_path) as run:
        model = run.model()
        probabilities = model.get_layer("probabilities")
        probabilities.bias.assign(np.random.default_rng(0).normal(size=probabilities.bias.shape))
        reading = run.task.reading(run, model, "O gato tem zzyzx.")
        answers = reading.running(batches.compute(model), reading)
        explained = reading.explain(answers)
        models.save(model, run.path / "model.keras", run.config, with_optimizer=False)
        (told,) = run.task.predict(run, ["O gato tem zzyzx."])
    assert reading.read == ("o", "gato", "tem", "zzyzx", ".")
    translation, probability, _ = told.text.split("\t")
    assert explained.answer == translation and len(translation.split()) > 1
    ((_, each),) = explained.curves.items()
    assert float(probability) == pytest.approx(np.exp(np.log(each).mean()), abs=6e-4)


def untested(path: Path, settings: Any) -> Run[Any]:
    """A run of one model, not trained: what it says is as true."""
    from pipeline import quiet

    quiet.load_tensorflow()
    run: Run[Any] = Run.create(path, settings)
    keras.utils.set_random_seed(settings.seed)
    ranked = ("validation_loss", "validation_accuracy", "validation_greedy_accuracy")
    figures = {"epoch": 1, "seconds": 0.0, **dict.fromkeys(ranked, 0.0)}
    model = run.task.model(settings, run.task.data(run))
    if any(each.name == "previous" for each in model.inputs):
        bias = model.get_layer("probabilities").bias
        bias.assign(bias + 2 * np.eye(bias.shape[0])[seq2seq.BOUNDARY])  # it comes to an end
    run.commit(model, figures)
    return run
