"""The check of pages finds what it is there for."""

from pathlib import Path

from tests.clients.accessibility import faults

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><title>A page</title>
<main><h1>A page</h1>{}</main>
</html>
"""


def test_a_page_without_faults_has_none(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE.format("<p>Some text.</p>"))
    assert faults(tmp_path / "page.html") == []


def test_each_kind_of_fault_is_found(tmp_path: Path) -> None:
    spoilt = (
        '<img src="data:,"><p style="width: 1300px; color: #999">pale</p>'
        '<img src="http://127.0.0.1:9/elsewhere.png" alt=""><script>absent()</script>'
    )
    (tmp_path / "page.html").write_text(PAGE.format(spoilt))
    found = " ".join(faults(tmp_path / "page.html"))
    for sign in ("image-alt", "color-contrast", "asks for http://127.0.0.1:9", "fails", "wide"):
        assert sign in found
