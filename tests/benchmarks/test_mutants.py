"""Mistakes are small and plausible, and a test that notices one is found."""

import ast
import subprocess
from pathlib import Path

import pytest

from benchmarks import mutants
from benchmarks.mutations import mutants as mistakes
from benchmarks.mutations import sample

SOURCE = '''"""A text of 1 < 2."""

def shifted(x: "int", by: "1 | 2" = 1) -> "int":
    """Return x + by."""
    return x + by


def checked(x, *, strict=True):
    if x.lower <= x.upper and not strict:
        raise ValueError("not" + "so")
    x.seen = range(x.lower, x.upper)
    call(f"{x + 1}", strict=strict)
    return x
'''


def changed_lines(source: str) -> set[tuple[str, str]]:
    return {
        (each.kind, each.diff.splitlines()[-1].strip("+ ")) for each in mistakes("a.py", source)
    }


def test_every_kind_of_mistake_is_made() -> None:
    assert changed_lines(SOURCE) == {
        ("constant", 'def shifted(x: "int", by: "1 | 2" = 2) -> "int":'),
        ("arithmetic", "return (x - by)"),
        ("constant", "def checked(x, *, strict=False):"),
        ("boolean", "if (x.lower <= x.upper or not strict):"),
        ("comparison", "if (x.lower < x.upper) and not strict:"),
        ("attribute", "if x.upper <= x.upper and not strict:"),
        ("attribute", "if x.lower <= x.lower and not strict:"),
        ("operator removed", "if x.lower <= x.upper and strict:"),
        ("statement removed", "pass"),
        ("arguments swapped", "x.seen = range(x.upper, x.lower)"),
        ("attribute", "x.seen = range(x.upper, x.upper)"),
        ("attribute", "x.seen = range(x.lower, x.lower)"),
        ("argument removed", "call(f'{x + 1}')"),
    }


def test_a_mistake_is_python_and_all_other_lines_are_as_they_were() -> None:
    for mutant in mistakes("a.py", "# ä\n" + SOURCE):
        ast.parse(mutant.source)
        before, after = ("# ä\n" + SOURCE).splitlines(), mutant.source.splitlines()
        pairs = zip(before, after, strict=True)
        assert [f"-{was}\n+{now}" for was, now in pairs if was != now] == [mutant.diff]


def test_a_sample_stays_the_same_while_its_lines_do() -> None:
    def drawn(source: str, seed: int) -> list[str]:
        return [each.diff for each in sample(mistakes("a.py", source), 5, seed).values()]

    assert len(drawn(SOURCE, 0)) == 5
    assert drawn(SOURCE, 0) == drawn("x = None\n" + SOURCE, 0) != drawn(SOURCE, 1)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one module and its tests, one of which fails."""
    module = """def total(a, b):
    return a + b


def count(n):
    while n > 0:
        n -= 1
    return n
"""
    tests = """from exports.sums import count, total


def test_count():
    assert count(3) == 0


def test_total():
    assert total(1, 0) == 1
"""
    files = {
        "exports/__init__.py": "",
        "exports/sums.py": module,
        "tests/exports/test_sums.py": tests,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def attempt(repository: Path, line: str) -> mutants.Result:
    """Try the mutant that has `line`."""
    found = [each for each in mutants.all_mutants(repository) if each.diff.endswith(f"+{line}")]
    before = mutants.digest(repository)
    result = mutants.attempt(found[0], repository, "rank", "tree")
    assert mutants.digest(repository) == before
    return result


def test_a_mutant_is_killed_survives_or_times_out(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = attempt(repository, "    while (n >= 0):")
    assert killed.outcome == mutants.KILLED
    assert killed.failed == ["tests/exports/test_sums.py::test_count"]
    survived = attempt(repository, "    return (a - b)")
    assert survived.outcome == mutants.SURVIVED
    assert mutants.is_final(survived, "tree") and not mutants.is_final(survived, "another")
    monkeypatch.setattr(mutants, "TEST_SECONDS", 1)
    assert attempt(repository, "        pass").outcome == mutants.TIMED_OUT
    assert "+    return (a - b)" in mutants.report([killed, survived])
    assert "n >= 0" not in mutants.report([killed, survived])


def test_a_test_that_fails_anyway_kills_nothing(repository: Path) -> None:
    test = repository / "tests" / "exports" / "test_sums.py"
    test.write_text(test.read_text() + "\n\ndef test_false():\n    assert False\n")
    assert attempt(repository, "    return (a - b)").outcome == mutants.UNSURE
