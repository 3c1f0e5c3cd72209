"""Every verb takes a run, an artifact directory and a Keras file, and says what it cannot do."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import keras
import numpy as np
import pytest
import soundfile

import custom_layers
from exports import AudioFrontend, answers, export
from exports.text import TextEncoder
from pipeline.features import cepstrum
from pipeline.run import Run
from pipeline.web import page_of
from tests.clients.accessibility import faults
from tests.exports import models, writers
from tests.own_data import tickets
from tests.pipeline.pages import descriptions, parsed, table
from tests.pipeline.pages import text as text_of
from tests.pipeline.small import Outcome, copy

Command = Callable[..., Outcome]
TEXT = "the router is offline again"
SHORT = [
    "--units=4",
    "--embedding-dim=4",
    "--bigram-buckets=64",
    "--epochs=2",
    "--no-bidirectional",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of somebody's own data, a Keras file of two inputs, and their exports."""
    folder = tmp_path_factory.mktemp("verbs")
    from pipeline import config, quiet, recipes

    quiet.load_tensorflow()
    from pipeline import train
    from pipeline.export import export as export_run
    from pipeline.export import export_file

    table = tickets.write(folder / "tickets.csv", tickets.tickets(120))
    small = {"units": 4, "embedding_dim": 4, "bigram_buckets": 64, "epochs": 2}
    settings = {"data": str(table), "bidirectional": False, **small}
    preset = recipes.get("classify").presets["classify"]()
    run = Run.create(folder / "run", config.merge(preset, settings))
    train.train(run)
    export_run(run, formats=["onnx"])
    keras.utils.set_random_seed(0)
    steps = keras.Input((None, 3), name="steps")
    facts = keras.Input((4,), name="facts")
    both = [custom_layers.GRU(5, name="memory")(steps), facts]
    scores = keras.layers.Dense(2, name="scores")(keras.layers.Concatenate()(both))
    keras.Model([steps, facts], scores, name="weather").save(folder / "two.keras")
    export_file(folder / "two.keras", formats=["onnx"], streaming=True)
    random = np.random.default_rng(0)
    arrays = {
        "steps": random.normal(size=(2, 6, 3)).astype("float32"),
        "facts": random.normal(size=(2, 4)).astype("float32"),
    }
    np.savez(folder / "two.npz", steps=arrays["steps"], facts=arrays["facts"])
    named = {name: values.tolist() for name, values in arrays.items()}
    (folder / "two.json").write_text(json.dumps(named))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    return dict(np.load(folder / "two.npz"))


# For each verb and kind of path: its arguments, its status and what it says, regular expressions.
RUN, TEXTS, ARRAYS, FILE = "run", "run/exports", "two-exports", "two.keras"
MEASURED = r"keras +\d.*onnx +\d.*keras\.Model\.export +\d"
SAID = [
    ("predict", RUN, [TEXT], 0, rf"^\w+\t0\.\d{{3}}\t{TEXT}\n$"),
    ("predict", TEXTS, [TEXT, TEXT], 0, rf"^(\w+\t0\.\d{{3}}\t{TEXT}\n){{2}}$"),
    ("predict", TEXTS, [f"{TEXTS}/examples/request.json"], 0, r"^\w+\t0\.\d{3}\t.*json, row 1\n"),
    ("predict", TEXTS, ["two.npz"], 1, r"The inputs are \['tokens'\], not \['facts', 'steps'\]"),
    ("predict", ARRAYS, [TEXT], 1, r"two-exports takes arrays, steps float32 \[batch, time, 3\],"),
    ("predict", FILE, [TEXT], 1, rf"'{TEXT}' is no file of them: give a .npy, .npz or .json file"),
    ("predict", FILE, ["no.npy"], 1, r"there is no file no\.npy"),
    ("predict", FILE, ["--input=a.csv", "--output=b.csv"], 1, r"--input takes a run directory"),
    ("explain", RUN, [TEXT], 0, r"^run/explain\.html\n$"),
    ("explain", TEXTS, [TEXT], 1, r"holds no step model: export with --streaming"),
    ("explain", ARRAYS, ["two.npz"], 0, r"^two-exports-explain\.html\n$"),
    ("explain", FILE, ["two.npz"], 0, r"^two-explain\.html\n$"),
    (
        "explain",
        FILE,
        [TEXT, "--beside=run"],
        1,
        r"two.keras is a .keras file, and .*explain --be",
    ),
    ("bench", RUN, ["--rounds=3"], 0, MEASURED),
    ("bench", ARRAYS, ["--rounds=3"], 0, r"^(?!.*keras).*onnx +\d"),
    ("bench", FILE, ["--rounds=3"], 0, rf"exporting two\.keras to a temporary .*|{MEASURED}"),
    ("verify", RUN, [], 0, r"onnx of text +onnx|onnx +keras, as"),
    ("verify", ARRAYS, [], 0, r"onnx +keras, as.*two-exports holds what was exported"),
    ("verify", FILE, [], 0, r"its exports +two\.keras"),
    ("evaluate", TEXTS, [], 1, r"exports is an artifact directory, and recurrent evaluate takes a"),
    ("evaluate", FILE, [], 1, r"two\.keras is a \.keras file, and recurrent evaluate takes a run"),
    ("export", TEXTS, [], 1, r"is an artifact directory, and recurrent export takes a run"),
    ("generate", FILE, [], 1, r"two\.keras is a \.keras file, and recurrent generate takes a run"),
    ("generate", TEXTS, [], 1, r"holds a model that writes no text"),
    ("demo", ARRAYS, [], 1, r"There is no page for a model that takes steps"),
    ("demo", FILE, [], 1, r"two\.keras has neither labels nor"),
]


@pytest.mark.parametrize(("verb", "path", "given", "status", "said"), SAID)
def test_a_verb_takes_a_path_of_each_kind(
    recurrent: Command, folder: Path, verb: str, path: str, given: list[str], status: int, said: str
) -> None:
    outcome = recurrent(verb, path, *given)
    assert outcome.status == status, outcome
    assert re.search(said, outcome.err if status else outcome.out + outcome.err, re.DOTALL), outcome
    if status:
        assert outcome.err.count("\n") == 1 and not outcome.out


@pytest.mark.parametrize("verb", ["predict", "explain", "verify", "bench", "serve", "demo"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "nowhere",
            "nowhere is not there: give a run directory, an artifact directory or a .k",
        ),
        ("no.keras", "no.keras is not there: save one with model.save('no.keras')"),
        ("tickets.csv", "tickets.csv is no .keras file: give a run directory, an artifact"),
        (".", ". is neither a run directory, which has a config.json, nor an artifact directory"),
    ],
)
def test_a_path_of_no_kind_is_one_line(
    recurrent: Command, folder: Path, verb: str, path: str, said: str
) -> None:
    outcome = recurrent(verb, path, *([TEXT] if verb in ("predict", "explain") else []))
    assert outcome.status == 1 and said in outcome.err and outcome.err.count("\n") == 1


@pytest.mark.parametrize("path", [ARRAYS, FILE])
@pytest.mark.parametrize("given", ["two.npz", "two.json"])
def test_arrays_get_what_the_model_gives(
    recurrent: Command, folder: Path, path: str, given: str
) -> None:
    expected = keras.saving.load_model(folder / FILE).predict(arrays_of(folder), verbose=0)
    lines = recurrent("predict", path, given).out.splitlines()
    found = [json.loads(line) for line in lines]
    assert [[*each] for each in found] == [["scores"]] * 2
    np.testing.assert_allclose([each["scores"] for each in found], expected, atol=1e-5)


def test_an_artifact_says_what_its_run_says(recurrent: Command, folder: Path) -> None:
    texts = [" ".join(words) for words in tickets.WORDS.values()]
    assert recurrent("predict", TEXTS, *texts).out == recurrent("predict", RUN, *texts).out


def test_the_pages_show_the_states_of_the_model(recurrent: Command, folder: Path) -> None:
    model = keras.saving.load_model(folder / FILE)
    steps, facts = arrays_of(folder).values()
    memory = model.get_layer("memory")
    memory.return_sequences = True
    expected = np.asarray(memory(steps))[0]
    memory.return_sequences = False
    for path in (ARRAYS, FILE):
        page = parsed(folder / recurrent("explain", path, "two.npz").out.strip())
        rows = table(page, f"{path}: memory h")
        np.testing.assert_allclose(np.array(rows, float)[:, 1:], expected, atol=1e-4)
        assert f"{path}: two.npz, row 1" in text_of(page)
    assert faults(folder / "two-explain.html") == []
    assert "gate z" in " ".join(descriptions(page))
    page = parsed(folder / recurrent("explain", ARRAYS, "two.npz").out.strip())
    prefixes = [model.predict([steps[:1, : n + 1], facts[:1]], verbose=0)[0] for n in range(6)]
    shown = table(page, "outputs")
    order = [int(each[-1]) - 1 for each in heads(page, "outputs")[1:]]
    np.testing.assert_allclose(
        np.array(shown, float)[:, 1:], np.array(prefixes)[:, order], rtol=1e-3, atol=1e-4
    )


def heads(page: Any, caption: str) -> list[str]:
    (found,) = (each for each in page.iter("table") if caption in text_of(each.find("caption")))
    return [text_of(cell) for cell in found.find("thead").iter("th")]


def test_a_layer_of_keras_is_explained_by_its_export(
    recurrent: Command, folder: Path, tmp_path: Path
) -> None:
    steps = keras.Input((None, 3), name="steps")
    keras.Sequential([steps, keras.layers.LSTM(2, name="lstm")]).save(tmp_path / "theirs.keras")
    np.save(tmp_path / "one.npy", arrays_of(folder)["steps"])
    outcome = recurrent("explain", tmp_path / "theirs.keras", tmp_path / "one.npy")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    command = outcome.err.split("recurrent export ")[1].split()
    assert recurrent("export", *command, "--format=onnx").status == 0
    outcome = recurrent("explain", tmp_path / "theirs-exports", tmp_path / "one.npy")
    assert outcome.status == 0
    assert len(table(parsed(Path(outcome.out.strip())), "lstm c")) == 6


def test_verify_finds_damage_and_a_file_that_has_changed(
    recurrent: Command, folder: Path, tmp_path: Path
) -> None:
    run = copy(Run.open(folder / RUN), tmp_path / "run")
    file = run.exports / "onnx" / "model.onnx"
    file.write_bytes(file.read_bytes() + b"\0")
    outcome = recurrent("verify", run.path)
    assert outcome == Outcome(
        1, "", f"recurrent: {file} is not what was exported: its SHA-256 differs.\n"
    )
    (run.exports / "MANIFEST.sha256").unlink()
    outcome = recurrent("predict", run.exports, TEXT)
    assert outcome.status == 1 and "there is no MANIFEST.sha256" in outcome.err

    model = keras.saving.load_model(folder / FILE)
    model.save(tmp_path / FILE)
    missing = recurrent("verify", tmp_path / FILE)
    assert missing.status == 1 and "is not exported yet. Try: recurrent export" in missing.err
    (tmp_path / ARRAYS).symlink_to(folder / ARRAYS)
    model.set_weights([1.5 * each for each in model.get_weights()])
    model.save(tmp_path / FILE)
    outcome = recurrent("verify", tmp_path / FILE)
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "was exported from another model than" in outcome.err


@pytest.mark.usefixtures("interruptible")
def test_a_keras_file_is_served(folder: Path) -> None:
    program = [sys.executable, "-m", "pipeline.cli", "serve", FILE, "--port=0"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "exporting two.keras to a temporary directory" in process.stderr.readline()
        address = process.stderr.readline().split()[-1]
        given = {name: values.tolist() for name, values in arrays_of(folder).items()}
        answered = httpx.post(f"{address}/predict", json={"inputs": given}, timeout=60).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    expected = keras.saving.load_model(folder / FILE).predict(arrays_of(folder), verbose=0)
    np.testing.assert_allclose(answered["outputs"]["scores"], expected, atol=1e-5)


def test_a_page_is_about_the_data_of_its_run(folder: Path) -> None:
    from exports import load

    page = page_of(load(folder / TEXTS))
    assert page.title == "Team from body, tickets.csv"
    words = set(page.facts["example"].split())
    written = {word for each in tickets.tickets(120) for word in each.body.split()}
    assert len(words) > 3 and words <= written


@pytest.mark.parametrize(
    ("name", "title"), [("film_mood", "Film mood"), ("functional_7", "My models")]
)
def test_a_page_without_a_run_is_called_as_its_model_or_directory(
    tmp_path: Path, name: str, title: str
) -> None:
    model, encoder = models.classifier(), TextEncoder(models.VOCABULARY, max_length=12)
    named = keras.Model(model.inputs, model.outputs, name=name)
    directory = tmp_path / "my_models"
    exported = export(named, directory, formats=["onnx"], encoder=encoder, labels=["bad", "good"])
    page = page_of(exported)
    assert page.title == title and page.facts["example"] == ""


def test_sound_is_heard(recurrent: Command, tmp_path: Path) -> None:
    frames = keras.Input((None, 3), name="frames")
    scores = keras.layers.Dense(2, activation="softmax")(custom_layers.GRU(4)(frames))
    model = models.randomized(keras.Model(frames, scores), scale=0.1)
    front = AudioFrontend(cepstrum.RATE, cepstrum.model(3))
    export(model, tmp_path / "ear", formats=["onnx"], labels=["low", "high"], audio_frontend=front)
    samples = np.sin(np.arange(cepstrum.RATE // 2) / 9).astype(np.float32) / np.float32(2)
    soundfile.write(tmp_path / "tone.wav", samples, cepstrum.RATE, subtype="FLOAT")
    expected = model.predict(cepstrum.mfcc(samples, 3)[None], verbose=0)[0]
    label = ["low", "high"][expected.argmax()]
    outcome = recurrent("predict", tmp_path / "ear", tmp_path / "tone.wav")
    assert outcome.out == f"{label}\t{expected.max():.3f}\t{tmp_path / 'tone.wav'}\n"
    assert "is no" in recurrent("predict", tmp_path / "ear", "tone").err


def test_a_model_that_writes_answers_with_a_text(recurrent: Command, tmp_path: Path) -> None:
    model = writers.translator()
    options: dict[str, Any] = {"labels": writers.SYMBOLS, "writing": writers.WRITING}
    export(model, tmp_path / "writer", formats=["onnx"], **options)
    (tmp_path / "ids.json").write_text(json.dumps({"letters": [[1, 2, 3]]}))
    typed = recurrent("predict", tmp_path / "writer", "abc")
    text, probability, _ = typed.out.split("\t")
    symbols = [writers.SYMBOLS.index(each) for each in text]
    odds = model([np.array([[1, 2, 3]]), np.array([[writers.END, *symbols]])]).numpy()[0]
    expected = odds[np.arange(len(text) + 1), [*symbols, writers.END]].prod()
    assert float(probability) == pytest.approx(expected, abs=1e-3)
    of_ids = recurrent("predict", tmp_path / "writer", tmp_path / "ids.json")
    assert of_ids.out == f"{text}\t{probability}\t{tmp_path / 'ids.json'}, row 1\n"
    drawn = recurrent("generate", tmp_path / "writer", "--prompt=abc", "--seed=3")
    assert drawn.status == 0 and set(drawn.out.strip()) <= {*"abcxyz"}


ROWS = np.array([[0.25, 0.5], [0.75, 0.125]], "float32")
NUMBERS = answers.Numbers(("height", "weight"), units={"height": "m"})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NUMBERS, ["height 0.25 m\tweight 0.5", "height 0.75 m\tweight 0.125"]),
        (answers.Labels((0.2, 0.3)), ["b 0.500, a 0.250", "a 0.750"]),
        (answers.Labels((0.9, 0.9)), ["none", "none"]),
        (answers.Label(), ["b\t0.500", "a\t0.750"]),
        (None, ["b\t0.500", "a\t0.750"]),
    ],
)
def test_an_answer_is_said_in_the_words_of_the_data(
    recurrent: Command, tmp_path: Path, answer: Any, said: list[str]
) -> None:
    rows = keras.Input((2,), name="rows")
    model = keras.Model(rows, keras.layers.Rescaling(1.0)(rows))
    labels = None if answer is NUMBERS else ["a", "b"]
    export(model, tmp_path / "kind", formats=["onnx"], labels=labels, answer=answer)
    np.save(tmp_path / "rows.npy", ROWS)
    outcome = recurrent("predict", tmp_path / "kind", tmp_path / "rows.npy")
    lines = [f"{each}\t{tmp_path / 'rows.npy'}, row {row + 1}" for row, each in enumerate(said)]
    assert outcome.out.splitlines() == lines
