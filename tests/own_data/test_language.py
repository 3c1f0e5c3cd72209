"""A language model of one's own texts: trained, tested, exported, and it goes on with a text."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exports
from exports.runtime.predictor import Predictor
from pipeline.run import Run
from tests.pipeline.pages import element, marked, parsed, text
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]

SMALL = ["--units=24", "--embedding-dim=16", "--window=40", "--batch-size=4", "--dropout=0"]
SMALL += ["--learning-rate=0.02", "--epochs=8"]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def story(lines: int) -> str:
    """Text whose next word is often known: the days come in their order."""
    random = np.random.default_rng(0)
    verbs = ("rained", "snowed", "was dry")
    return "".join(
        f"On {DAYS[line % 5]} it {verbs[random.integers(3)]}.\n" + "\n" * (line % 5 == 4)
        for line in range(lines)
    )


@pytest.fixture(scope="module")
def novel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text file, and a run on its characters. Leave them as they are."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("novel")
    (folder / "novel.txt").write_text(story(300), encoding="utf-8")
    arguments = ["train", "language", f"--data={folder / 'novel.txt'}", f"--run={folder / 'run'}"]
    cli.command.main([*arguments, *SMALL], standalone_mode=False)
    return folder


def test_characters_are_learnt_and_measured_beside_counting(
    recurrent: Command, novel: Path
) -> None:
    assert recurrent("evaluate", novel / "run", "--baselines").status == 0
    results: dict[str, Any] = json.loads((novel / "run" / "results.json").read_text())
    assert results["model"].keys() == {"nats", "bits", "perplexity", "seconds"}
    assert results["model"]["perplexity"] == pytest.approx(np.exp(results["model"]["nats"]))
    assert results["model"]["nats"] < 0.6  # a letter of 30 alike has 3.4
    assert results["baselines"]["Kneser-Ney, 7 tokens"]["nats"] < 0.6


def test_the_end_of_a_text_file_is_held_out(novel: Path) -> None:
    run = Run.open(novel / "run")
    data = run.task.data(run)
    text = story(300)
    train, test = (
        "".join(data.vocabulary.tokens[number] for number in split.inputs.flat)
        for split in (data.train, data.test)
    )
    assert text.startswith(train.strip("\n")) and text.rstrip().endswith(test.strip("\n"))
    assert 0.08 < len(test) / len(text) < 0.12 and len(train) > 0.75 * len(text)


def test_a_prompt_goes_on_as_the_text_would(recurrent: Command, novel: Path) -> None:
    options = ("--prompt=On Mon", "--tokens=3", "--temperature=0")
    outcome = recurrent("generate", novel / "run", *options)
    assert outcome.out == "On Monday\n"


def test_the_report_shows_samples_and_what_surprises(recurrent: Command, novel: Path) -> None:
    assert recurrent("evaluate", novel / "run").status == 0
    page = parsed(novel / "run" / "report.html")
    run = Run.open(novel / "run")
    data = run.task.data(run)
    first, after = (each.flat for each in (data.test.inputs, data.test.targets))
    whole = "".join(data.vocabulary.tokens[number] for number in (first[0], *after))
    rows = [
        ["".join(next(cell.iter("div")).itertext()) for cell in row]
        for row in element(page, "How the model goes on").find("tbody")
    ]
    assert len(rows) == 3
    for seed, (read, continuation, written) in enumerate(rows):
        assert 100 < len(read) <= 200 and 100 < len(continuation) <= 200 == len(written)
        place = whole.index(read + continuation) + len(read)
        prompt = whole[max(0, place - 256) : place]
        options = (f"--prompt={prompt}", f"--tokens={len(written)}", f"--seed={seed}")
        outcome = recurrent("generate", novel / "run", *options)
        assert outcome.out == f"{prompt}{written}\n"

    nats = json.loads((novel / "run" / "results.json").read_text())["model"]["nats"]
    letters = [
        [text(cell) for cell in row] for row in element(page, "cost the model").find("tbody")
    ]
    total = sum(int(times) * float(mean) for _, times, mean, _ in letters)
    share = sum(float(part.rstrip("%")) for *_, part in letters) / 100
    assert total / share / len(after) == pytest.approx(nats, rel=0.02)

    first, *_ = element(page, "surprised the model most").find("tbody")
    ((_, note),) = marked(first)
    assert float(text(first[1])) == pytest.approx(np.exp(-float(note.split()[0])), rel=0.05)


def test_files_are_scored_and_measured(recurrent: Command, novel: Path, tmp_path: Path) -> None:
    (tmp_path / "begun.txt").write_text("On Mo\nOn Tuesda\n", encoding="utf-8")
    scored = tmp_path / "scored.csv"
    outcome = recurrent(
        "predict", novel / "run", f"--input={tmp_path / 'begun.txt'}", f"--output={scored}"
    )
    assert outcome.status == 0, outcome.err
    head, first, second = scored.read_text(encoding="utf-8").splitlines()
    assert head == "text,predicted next,probability"
    assert first.startswith("On Mo,n,0.9") and second.startswith("On Tuesda,y,0.9")
    outcome = recurrent("evaluate", novel / "run", f"--data={novel / 'novel.txt'}")
    assert outcome.status == 0 and "nats" in outcome.out


def test_the_export_agrees_and_reads_step_by_step(
    recurrent: Command, novel: Path, tmp_path: Path
) -> None:
    to = tmp_path / "artifact"
    assert recurrent("export", novel / "run", "--to", to, "--streaming").status == 0
    assert all(proof.worst < 2e-5 for proof in exports.verify(to).values())
    predictor = Predictor(to)
    labels = list(predictor.labels or ())
    stream = predictor.stream()
    for letter in "On Mon":
        (probabilities,) = stream.feed(np.array([[labels.index(letter)]])).values()
    assert labels[probabilities[0, 0].argmax()] == "d"
    # It goes on with a text as `generate` does.
    options = ("--prompt=On Mon", "--temperature=0", "--tokens=40")
    outcome = recurrent("generate", novel / "run", *options)
    (written,) = predictor.generate("On Mon", temperature=0.0, longest=40)
    assert outcome.out == f"On Mon{written}\n"


def test_texts_of_a_table_are_split_by_content(recurrent: Command, tmp_path: Path) -> None:
    rows = [{"id": number, "tale": story(4 + number % 7) + str(number)} for number in range(60)]
    data = tmp_path / "tales.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = tmp_path / "run"
    outcome = recurrent(
        *("train", "language", f"--data={data}", f"--run={run}", "--tokens=words"),
        *[*SMALL, "--epochs=2"],
    )
    assert outcome.status == 0, outcome.err
    assert "Text: tale." in outcome.err
    outcome = recurrent("predict", run, "On Monday it")
    assert outcome.status == 0 and outcome.out.count("\t") == 4

    # What the model expected where it was most surprised is what it says in that window.
    opened = Run.open(run)
    task, data, model = opened.task, opened.task.data(opened), opened.model()
    first, second, *_ = data.test.inputs
    predictions = np.zeros(data.test.lengths.sum())
    predictions[len(first) : len(first) + 5] = -9, -8, -7, -6, -5
    *_, mistakes = task.error_analysis(opened, data, predictions)
    table: Any = mistakes.content[0]
    (probabilities,) = model(second[None, :5]).numpy()
    for row, (*_, expected) in zip(probabilities, table.rows, strict=False):
        likely = np.argsort(-row)[:3]
        assert expected == ", ".join(
            f"{json.dumps(data.vocabulary.tokens[each])} {row[each]:.2f}" for each in likely
        )
    shown = [float(row[1]) for row in table.rows[:5]]
    np.testing.assert_allclose(shown, np.exp([-9, -8, -7, -6, -5]), rtol=0.05)


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        ("one.txt", "one line\n", [], "has no text for the"),
        ("none.txt", "\n \n", [], "is empty"),
        ("n.csv", "a,b\n1,2\n3,4\n", [], "has no column of texts; its columns are a, b"),
        ("t.csv", "a,b\nx y,2\n", ["--text=c"], "Column 'c' is not in t.csv"),
        ("folds.txt", "a b\n" * 50, ["--folds=3", "--fold=1"], "a text file is one"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_run(
    recurrent: Command, tmp_path: Path, name: str, content: str, options: list[str], said: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    run = tmp_path / "run"
    outcome = recurrent("train", "language", f"--data={tmp_path / name}", f"--run={run}", *options)
    assert outcome.status == 1 and outcome.err.count("\n") == 1 and said in outcome.err
    assert not run.exists()
