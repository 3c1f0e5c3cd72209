"""Tagged sentences are read back from files in every form that such files have."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.data import sources
from pipeline.errors import PipelineError

# Letters of any script, and what might be taken for a comment, a separator or the end of a line.
LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Zs"), exclude_characters="\ufeff")
WORDS = st.text(LETTERS, min_size=1, max_size=6) | st.sampled_from(["#", "-", "\u2028", "B-PER"])
ROWS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5)
BETWEEN = st.sampled_from(["\n", "\n\n", "\n# a comment\n", "\n-DOCSTART- O\n\n"])

Rows = Sequence[tuple[str, str]]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(ROWS, min_size=1, max_size=4),
    BETWEEN,
    st.sampled_from(["\t", "\t_\t"]),
    st.sampled_from([".conll", ".bio", ".iob2"]),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_sentences_are_read_back(
    tmp_path: Path,
    made: list[Rows],
    between: str,
    separator: str,
    suffix: str,
    windows: bool,
    encoding: str,
) -> None:
    blocks = ["".join(f"{word}{separator}{tag}\n" for word, tag in rows) for rows in made]
    text = between.join(blocks)
    path = tmp_path / f"sentences{suffix}"
    path.write_bytes((text.replace("\n", "\r\n") if windows else text).encode(encoding))
    table = sources.read(str(path))
    assert table.column("tokens") == [[word for word, _ in rows] for rows in made]
    assert table.column("tags") == [[tag for _, tag in rows] for rows in made]
    for place, rows in zip(table.places, made, strict=True):
        number = int(place.removeprefix(f"sentences{suffix}, line "))
        line = path.read_bytes().decode("utf-8-sig").split("\n")[number - 1]
        assert line.startswith(f"{rows[0][0]}{separator}")


def test_spaces_may_be_between_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("-DOCSTART- -X- O\n\n# a comment\nEU  NNP B-ORG\n# NN  O\n\nPeter NNP B-PER\n")
    table = sources.read(str(path))
    assert table.column("tokens") == [["EU", "#"], ["Peter"]]
    assert table.column("tags") == [["B-ORG", "O"], ["B-PER"]]
    assert table.places == ["a.conll, line 4", "a.conll, line 7"]


def test_of_conll_u_words_and_universal_tags_are_read(tmp_path: Path) -> None:
    rest = "_\tCase=Acc\t0\troot\t_\t_"
    path = tmp_path / "a.conllu"
    path.write_text(
        "# sent_id = 1\n# text = Vámonos\n"
        f"1-2\tVámonos\t_\t_\t{rest}\n"
        f"1\tVamos\tir\tVERB\t{rest}\n2\tnos\tnosotros\tPRON\t{rest}\n2.1\t_\t_\t_\t{rest}\n"
    )
    table = sources.read(str(path))
    assert table.column("tokens") == [["Vamos", "nos"]]
    assert table.column("tags") == [["VERB", "PRON"]]


def test_a_faulty_sentence_is_left_out_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.conll"
    path.write_text("EU B-ORG\nrejects\n\nPeter B-PER\n")
    with pytest.raises(PipelineError, match=r"a\.conll, line 2: 1 values for 2 columns"):
        sources.read(str(path))
    assert sources.read(str(path), "skip").column("tokens") == [["Peter"]]
    assert "Rows left out: 1. a.conll, line 2" in capsys.readouterr().err
