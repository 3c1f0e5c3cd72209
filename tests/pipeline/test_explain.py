"""What is said of a subject step by step: the numbers are true, and everyone can read the page."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import html5lib
import keras
import numpy as np
import pytest

import custom_layers
from pipeline import config, tasks, writing
from pipeline.config import TextConfig
from pipeline.explain import drawing, measure, runs
from pipeline.explain.measure import Explanation, Walk
from pipeline.explain.reading import choice
from pipeline.run import Run
from tests.clients.accessibility import faults
from tests.pipeline.small import Outcome, small
from tests.pipeline.small import trained as trained_run

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
    "x",
    "script",
    "not",
    "bad",
    "b",
    "good",
    "b",
    "said",
    "nobody",
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Run[TextConfig]:
    """A run that reads from both ends. Leave it as it is."""
    settings = small(bidirectional=True, epochs=1)
    return trained_run(tmp_path_factory.mktemp("runs") / "both", settings, [])


@pytest.fixture(scope="module")
def explanation(both: Run[TextConfig]) -> Explanation:
    return explained(both, TEXT)


@pytest.fixture(scope="module")
def file(both: Run[TextConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two runs."""
    path = tmp_path_factory.mktemp("pages") / "page.html"
    runs.explain([both, both], TEXT, path)
    return path


@pytest.fixture(scope="module")
def page(file: Path) -> Any:
    """The page, parsed; what is no HTML5 is an error."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(file.read_text(encoding="utf-8"))


def explained(run: Run[Any], subject: str) -> Explanation:
    model = run.model()
    reading = run.task.reading(run, model, subject)
    assert reading is not None
    return measure.explain("model", model, run.config, reading)


def test_everyone_can_read_it_from_disk(file: Path) -> None:
    assert file.stat().st_size < BYTES
    assert faults(file) == []


def text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def test_what_it_says_is_what_it_says_about_each_beginning(
    both: Run[TextConfig], explanation: Explanation
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
    both: Run[TextConfig], explanation: Explanation
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


def test_a_heat_map_has_a_row_for_each_unit_by_when_it_is_most_active(
    explanation: Explanation,
) -> None:
    reading = replace(explanation.reading, steps=list("abcde"))
    drawn = drawing.gates(replace(explanation, reading=reading), walk())
    above, below, *_ = (axes for axes in drawn.figure.axes if axes.images)
    (gate,), (state,) = above.images, below.images
    # Unit 1 is most active at the first step, units 0 and 2 at the third.
    np.testing.assert_allclose(gate.get_array()[:, :3], walk().gates["z"][:3, [1, 0, 2]].T)
    np.testing.assert_allclose(state.get_array()[:, :3], walk().states["h"][:3, [1, 0, 2]].T)
    assert gate.get_array().mask[:, 3:].all() and gate.get_array().shape == (3, 5)
    for axes in (above, below):
        (hatched,) = (patch for patch in axes.patches if patch.get_hatch())
        assert (hatched.get_x(), hatched.get_width()) == (2.5, 2.0)
    assert "2 steps that it does not read are hatched" in drawn.description


def test_steps_that_no_layer_looks_at_are_hatched(explanation: Explanation) -> None:
    reading = replace(explanation.reading, steps=list("abcdefg"))
    drawn = drawing.gates(replace(explanation, reading=reading), walk())
    above, *_ = (axes for axes in drawn.figure.axes if axes.images)
    spans = [(patch.get_x(), patch.get_width()) for patch in above.patches if patch.get_hatch()]
    assert spans == [(-0.5, 2.0), (4.5, 2.0)]


def test_the_gradient_is_drawn_by_lag_with_the_clip(explanation: Explanation) -> None:
    before = walk(gradients={"h": np.array([0.0, 1, 8, 9, 9])})
    drawn = drawing.lags(replace(explanation, walks=[walk()], untrained=[before]))
    (axes,) = drawn.figure.axes
    assert axes.get_yscale() == "log"
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_array_equal(lines["gru h, trained"], [4, 2, 1])
    np.testing.assert_array_equal(lines["untrained"], [8, 1, np.nan])
    np.testing.assert_array_equal(lines["clip, 0.5"], [0.5, 0.5])
    np.testing.assert_array_equal(walk(backwards=True).by_lag("h"), [1, 2, 4])


def test_the_untrained_model_is_another_and_the_same_again(both: Run[TextConfig]) -> None:
    model = both.model()
    one, again = (measure.untrained(model, seed=3) for _ in range(2))
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.allclose(one[0], model.get_weights()[0])


def test_the_page_has_every_word_and_says_all_that_is_coloured(
    page: Any, explanation: Explanation
) -> None:
    figures = [each for each in page.iter("figure") if each.get("class") == "tokens"]
    assert len(figures) == 4  # two of each model
    for figure in figures:
        assert [text(each) for each in figure.iter("span")] == WORDS
    tables = [each for each in page.iter("table") if "step by step" in text(each.find("caption"))]
    rows = [[text(cell) for cell in row] for row in tables[0].find("tbody")]
    assert [row[1] for row in rows] == WORDS
    chosen = explanation.answers.max(-1)
    np.testing.assert_allclose([float(row[2].split()[-1]) for row in rows], chosen, atol=6e-4)
    pushes = [float(row[5]) for row in rows]
    np.testing.assert_allclose(pushes, explanation.dependence.pushes[0], rtol=0.01, atol=1e-6)


def test_the_page_needs_no_network_and_runs_no_program(page: Any) -> None:
    assert not list(page.iter("script")) and "<script>alert" in text(page.find(".//h1"))
    for element in page.iter():
        for name, value in element.items():
            if name in ("src", "href", "srcset", "data") or "url(" in value:
                assert re.match(r"#|data:|.*url\(#", value), (element.tag, name, value[:80])
    assert "@import" not in text(page.find(".//style"))


def test_pictures_are_said_in_words(page: Any) -> None:
    pictures = list(page.iter(SVG))
    assert len(pictures) == 1 + 2 * (2 + 1)
    assert all(each.get("role") == "img" and each.get("aria-label") for each in pictures)


def test_the_command_writes_page_and_figures(
    recurrent: Command, both: Run[TextConfig], tmp_path: Path
) -> None:
    page, folder = tmp_path / "page.html", tmp_path / "figures"
    outcome = recurrent("explain", both.path, TEXT, "--to", page, "--figures", folder)
    assert (outcome.status, outcome.out) == (0, f"{page}\n")
    names = {file.stem for file in folder.iterdir()}
    assert {file.suffix for file in folder.iterdir()} == {".svg", ".png"}
    assert {name.split("-")[0] for name in names} == {"course", "gates", "lags"}
    assert page.stat().st_size < 2_000_000


def test_what_cannot_be_explained_is_said_in_one_line(
    recurrent: Command, both: Run[TextConfig], tmp_path: Path
) -> None:
    other = Run.create(tmp_path / "other", tasks.get("digits").presets["digits"]())
    for arguments, message in (
        (("...",), "there is no word in the text"),
        (("film", "--beside", other.path), "is a run of digits"),
    ):
        outcome = recurrent("explain", both.path, *arguments, "--to", tmp_path / "page.html")
        assert outcome.status == 1 and outcome.err.count("\n") == 1 and message in outcome.err
    assert not (tmp_path / "page.html").exists()


SHORT = {"limit": 16, "epochs": 1, "units": 3, "batch_size": 8}
OTHERS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "sound": ("digits", "digits", {}, "1"),
    "path": ("trajectory", "hawkeye", {"simulated": 16}, "1"),
    "picture": ("spell", "digits", {"filters": 2, "embedding": 4}, "1"),
    "two sequences": ("pronounce", "pronounce", {"embedding": 4}, "abc"),
    "next token": ("next_char", "next_char", {"embedding": 4, "window": 30}, "To be,\nor"),
    "long ago": ("memory", "country", {"gap": 20}, "1"),
    "rows": ("memory", "rows", {}, "1"),
}


@pytest.mark.parametrize(("name", "preset", "settings", "subject"), OTHERS.values(), ids=OTHERS)
def test_every_task_has_its_view(
    name: str, preset: str, settings: dict[str, Any], subject: str, tmp_path: Path
) -> None:
    chosen = config.merge(tasks.get(name).presets[preset](), SHORT, settings)
    run = untested(tmp_path / "run", chosen)
    found = explained(run, subject)
    steps = len(found.reading.steps)
    assert len(found.answers) == len(found.explained.said) == steps
    assert np.isfinite(found.dependence.gradients).all()
    runs.explain([run], subject, tmp_path / "page.html")
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    page = parser.parse((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert len(list(page.iter(SVG))) >= 3
    if run.task.subject == "question" and preset == "country":
        assert "cut to the clip" in text(page)


def untested(path: Path, settings: Any) -> Run[Any]:
    """A run of one model, not trained: what it says is as true."""
    from pipeline import quiet

    quiet.load_tensorflow()
    run: Run[Any] = Run.create(path, settings)
    ranked = ("validation_loss", "validation_accuracy", "validation_greedy_accuracy")
    figures = {"epoch": 1, **dict.fromkeys(ranked, 0.0)}
    model = run.task.model(settings, run.task.data(run))
    if any(each.name == "previous" for each in model.inputs):
        bias = model.get_layer("probabilities").bias
        bias.assign(bias + 2 * np.eye(bias.shape[0])[writing.BOUNDARY])  # it comes to an end
    run.commit(model, figures)
    return run
