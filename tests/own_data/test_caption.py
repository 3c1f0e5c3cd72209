"""Captions for images of one's own: trained, tested, exported and asked."""

import base64
import csv
import io
import json
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import exports
from exports.runtime.predictor import Predictor
from pipeline.config.caption import CaptionConfig
from pipeline.data import captions
from pipeline.data.pairs import Paired
from pipeline.run import Run
from tests.own_data import drawn
from tests.pipeline.pages import element, marked, parsed, text
from tests.pipeline.photos import walls
from tests.pipeline.served import served
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]
Rows = Sequence[tuple[str, str]]

SMALL = ["--size=16", "--units=16", "--filters=8", "--embedding-dim=8", "--epochs=12"]
SMALL += ["--batch-size=8", "--learning-rate=0.01", "--dropout=0", "--turn=0"]


def write(path: Path, rows: Rows, names: tuple[str, str] = ("file", "caption")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def train(recurrent: Command, data: object, run: Path, *options: str) -> Outcome:
    return recurrent("train", "caption", f"--data={data}", f"--run={run}", *SMALL, *options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a table of them, and a run on it. Leave them as they are."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("images")
    data = write(folder / "pictures.csv", drawn.images(folder, 120))
    arguments = ["train", "caption", f"--data={data}", f"--run={folder / 'run'}", *SMALL]
    cli.command.main(arguments, standalone_mode=False)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return folder / "run"


def test_it_learns_what_is_drawn(recurrent: Command, run: Path) -> None:
    assert recurrent("evaluate", run, "--baselines").status == 0
    results: dict[str, Any] = json.loads((run / "results.json").read_text())
    assert results["model"]["exact_match"] > 0.6
    assert results["model"]["token_error_rate"] < 0.2 and results["model"]["bleu"] > 0.5
    baselines = results["baselines"]
    assert baselines.keys() == {"all tokens at once", "most frequent caption", "nearest image"}
    assert baselines["most frequent caption"]["exact_match"] < 0.4


def test_a_file_in_gives_what_is_measured(recurrent: Command, run: Path, tmp_path: Path) -> None:
    made = drawn.images(tmp_path, 18, seed=1)
    data, scored = write(tmp_path / "new.csv", made), tmp_path / "scored.csv"
    outcome = recurrent("predict", run, f"--input={data}", f"--output={scored}")
    assert outcome.status == 0, outcome.err
    with scored.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(Path(row["file"]).name, row["caption"]) for row in rows] == made
    right = np.mean([row["predicted caption"] == row["caption"] for row in rows])
    measured = recurrent("evaluate", run, f"--data={data}").out.splitlines()
    assert f"exact match: {right:.4f}" in measured and right > 0.5

    files = [tmp_path / name for name, _ in made[:2]]
    asked = [line.split("\t") for line in recurrent("predict", run, *files).out.splitlines()]
    assert [(text, path) for text, _, path in asked] == [
        (row["predicted caption"], row["file"]) for row in rows[:2]
    ]


def test_the_report_shows_images_beside_their_captions(recurrent: Command, run: Path) -> None:
    assert recurrent("evaluate", run).status == 0
    rows = list(element(parsed(run / "report.html"), "from the best to the worst").find("tbody"))
    assert len(rows) == 10
    for row in rows:
        (image,) = row.iter("img")
        number = int(image.get("alt").removeprefix("test image "))
        (answer,) = recurrent("predict", run, number).out.splitlines()
        caption, _, told = answer.split("\t")
        assert told == f"test image {number}, {text(row[1])!r}"
        assert (caption == text(row[1])) == (not marked(row)) == (text(row[3]) == "0")
        pixels = Image.open(io.BytesIO(base64.b64decode(image.get("src").split(",")[1])))
        assert pixels.size == (16, 16)


def test_the_exported_model_writes_the_same(
    recurrent: Command, folder: Path, run: Path, tmp_path: Path
) -> None:
    assert recurrent("export", run, f"--to={tmp_path / 'model'}").status == 0
    assert max(each.worst for each in exports.verify(tmp_path / "model").values()) < 2e-5
    predictor = Predictor(tmp_path / "model")
    labels, path = predictor.labels or [], folder / "0-000.png"
    with Image.open(path) as opened:
        pasted = Image.new("RGB", (16, 16), "white")
        pasted.paste(opened.resize((16, 13), Image.Resampling.BICUBIC), (0, 2))
    symbols, score = [1], 0.0
    while len(symbols) == 1 or symbols[-1] != 1:
        given = {"image": np.asarray(pasted)[None], "previous": np.array([symbols], np.int32)}
        (steps,) = predictor(given).values()
        symbols.append(int(steps[0, -1].argmax()))
        score += math.log(steps[0, -1].max())
    written = " ".join(labels[each] for each in symbols[1:-1])
    outcome = recurrent("predict", run, path)
    assert outcome.out == f"{written}\t{math.exp(score):.3f}\t{path}\n"
    assert predictor.generate({"image": np.asarray(pasted)[None]}) == [written]


def test_a_page_explains_each_word(recurrent: Command, run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert recurrent("explain", run, "1", f"--to={page}").status == 0
    assert "the log-probability of each word that is written" in page.read_text()


def test_columns_are_inferred_and_said(recurrent: Command, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", drawn.images(tmp_path, 60, suffix="jpg"), ("photo", "what"))
    outcome = train(recurrent, data, tmp_path / "run", "--epochs=1")
    assert outcome.status == 0, outcome.err
    said = "Image: photo (60 images, 16 x 16 pixels). Text: what (median 5 words)."
    assert said in outcome.err


def loaded(path: Path, **settings: Any) -> Paired:
    return captions.load(CaptionConfig(task="caption", data=str(path), size=16, **settings))


def test_an_image_is_in_one_split_with_all_its_captions(tmp_path: Path) -> None:
    made = drawn.images(tmp_path, 60)
    for name, _ in made:
        shutil.copy(tmp_path / name, tmp_path / f"copy-{name}")
    others = [(f"copy-{name}", caption.upper()) for name, caption in made]
    found = loaded(write(tmp_path / "pictures.csv", [*made, *others, *made]))
    splits = found.train, found.validation, found.test
    assert all(splits) and sum(map(len, splits)) == 60
    assert len({pair.source.tobytes() for split in splits for pair in split}) == 60
    captioned = [targets for split in splits for _, targets in split]
    assert sorted(captioned) == sorted((caption, caption.upper()) for _, caption in made)


def test_lists_hold_several_captions(tmp_path: Path) -> None:
    rows = [{"i": name, "c": [text, text[2:]]} for name, text in drawn.images(tmp_path, 60)]
    (tmp_path / "pictures.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = loaded(tmp_path / "pictures.jsonl")
    assert (found.source, found.target) == ("i", "c")
    assert all(len(pair.targets) == 2 for pair in found.test)


@pytest.mark.parametrize("suffix", ["png", "jpeg", "gif", "bmp"])
def test_every_format_is_read_and_grey_stays_grey(suffix: str, tmp_path: Path) -> None:
    values = np.linspace(0, 255, 60).astype(np.uint8)
    for value in values:
        Image.new("L", (16, 16), int(value)).save(tmp_path / f"{value}.{suffix}")
    rows = [(f"{value}.{suffix}", f"grey {value}") for value in values]
    found = loaded(write(tmp_path / "grey.csv", rows))
    for image, (caption,) in found.train:
        assert image.shape == (16, 16, 1)
        assert abs(image.astype(int) - int(caption.split()[1])).max() <= 2


def test_data_sets_of_tfds_are_captioned(recurrent: Command, tmp_path: Path) -> None:
    splits = {"train": walls(36, 0), "restval": walls(12, 1), "val": walls(6, 2)}
    named = ["--image=image", "--text=captions/text"]
    with served({**splits, "test": walls(9, 3)}):
        outcome = train(recurrent, "tfds:coco_captions", tmp_path / "run", *named, "--epochs=3")
        assert outcome.status == 0, outcome.err
        assert recurrent("evaluate", tmp_path / "run", "--baselines").status == 0
        results = json.loads((tmp_path / "run" / "results.json").read_text())
        assert results["examples"] == {"train": 96, "validation": 12, "test": 9}
        assert results["baselines"]["nearest image"]["exact_match"] == 1
    first, _, third = Run.open(tmp_path / "run").metrics
    assert third["loss"] < 0.9 * first["loss"]


def test_the_same_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import caption

    monkeypatch.setenv("KERAS_RECURRENT_CACHE", str(tmp_path / "cache"))
    made = drawn.images(tmp_path, 60)
    files = [str(tmp_path / name) for name, _ in made]
    columns = {"file": files, "text": [text for _, text in made]}
    small: dict[str, Any] = {"size": 8, "units": 4, "filters": 2, "embedding_dim": 4, "epochs": 1}
    trained = caption.train(columns, run=tmp_path / "run", **small)
    (answer,) = trained.predict([files[0]])
    assert answer.text.endswith(f"\t{files[0]}")
    assert 0 <= trained.evaluate({"file": files[:2], "text": ["a", "b"]})["chrf"] <= 1


BROKEN: dict[str, tuple[Rows, str]] = {
    "a file that is not there": ([("none.png", "a")], "row 42: file is "),
    "a damaged file": ([("cut.png", "a")], "cut.png', which is damaged or no PNG"),
    "a text": ([("words.png", "a")], "words.png', which is damaged or no PNG"),
    "no file": ([("", "a")], "row 42: file is empty"),
    "another kind of file": ([("sound.wav", "a")], "no column of images"),
    "no caption": ([("0-000.png", " ")], "row 42: caption is empty"),
}


@pytest.fixture
def forty(tmp_path: Path) -> list[tuple[str, str]]:
    made = drawn.images(tmp_path, 40)
    (tmp_path / "cut.png").write_bytes((tmp_path / "0-000.png").read_bytes()[:-40])
    (tmp_path / "words.png").write_text("a red square")
    return made


@pytest.mark.parametrize("name", BROKEN)
def test_bad_input_is_one_line_and_leaves_no_run(
    recurrent: Command, tmp_path: Path, forty: list[tuple[str, str]], name: str
) -> None:
    rows, said = BROKEN[name]
    data = write(tmp_path / "pictures.csv", [*forty, *rows])
    outcome = train(recurrent, data, tmp_path / "run")
    assert outcome.status == 1 and said in outcome.err, outcome.err
    assert len(outcome.err.splitlines()) == 1 and not (tmp_path / "run").exists()


def test_rows_that_cannot_be_used_are_counted(
    recurrent: Command, tmp_path: Path, forty: list[tuple[str, str]]
) -> None:
    data = write(tmp_path / "pictures.csv", [*forty, ("cut.png", "a"), ("none.png", "b")])
    outcome = train(recurrent, data, tmp_path / "run", "--on-error=skip", "--epochs=1")
    assert outcome.status == 0, outcome.err
    assert "Rows left out: 2. pictures.csv, row 42: file is" in outcome.err
    assert "(40 images, " in outcome.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--image=photo"], "Column 'photo' is not in pictures.csv; its columns are file, caption"),
        (["--image=file", "--text=file"], "cannot be both the image and the text"),
        (["--image=caption", "--text=file"], "not an image: give a PNG, JPEG, GIF or BMP file"),
        (["--max-length=1"], "Every training pair of pictures.csv has more than 1 tokens"),
    ],
)
def test_settings_that_will_not_do(
    recurrent: Command,
    tmp_path: Path,
    forty: list[tuple[str, str]],
    options: list[str],
    said: str,
) -> None:
    data = write(tmp_path / "pictures.csv", forty)
    outcome = train(recurrent, data, tmp_path / "run", *options)
    assert outcome.status == 1 and said in outcome.err.splitlines()[-1]


def test_images_are_nothing_to_classify_by(recurrent: Command, tmp_path: Path) -> None:
    data = write(tmp_path / "pictures.csv", drawn.images(tmp_path, 40))
    outcome = recurrent("train", "classify", f"--data={data}", f"--run={tmp_path / 'run'}")
    assert outcome.status == 1 and "its columns are file (image), caption" in outcome.err


def test_a_damaged_run_is_said_to_be(recurrent: Command, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    assert opened.columns is not None
    fitted: Any = {**opened.columns["fitted"], "channels": 1}
    opened.keep_columns({**opened.columns, "fitted": fitted})
    outcome = recurrent("predict", tmp_path / "run", "1")
    assert outcome.status == 1
    assert "columns.json is damaged: an image has 1 channels, and the model" in outcome.err
