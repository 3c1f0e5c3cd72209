"""The documentation builds, its Python runs as it stands there, and its commands exist."""

import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import click
import pytest

from docs.building import equations
from exports.runtime.http.limits import Limits
from pipeline.cli import command
from tests.clients import accessibility
from tests.custom_layers import table

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
)
ELSEWHERE = {
    "docs/deploy.md",  # tests/clients runs it, together with its JavaScript
    "docs/training.md",  # tests/pipeline/test_user_code.py runs it, together with its commands
}


def code(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == text.count(f"```{language}")
    return blocks


def run(page: str) -> dict[str, Any]:
    """Run the Python of a page, one block after the other, as a reader would."""
    names: dict[str, Any] = {}
    for block in code(page, "python"):
        exec(block, names)
    return names


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if code(page, "python") and page not in ELSEWHERE]
)
def test_the_python_of_a_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(page)


def commands() -> Iterator[tuple[str, str]]:
    """Yield each line of a page that begins with our command, and the page.

    Those with code of the user need it: tests/pipeline/test_user_code.py runs them.
    """
    for page in PAGES:
        for block in [*code(page, "console"), *code(page, "sh")]:
            for line in block.splitlines():
                if line.removeprefix("$ ").startswith("recurrent ") and "--code" not in line:
                    yield page, line.removeprefix("$ ")


def parse(parser: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse `words` and run nothing."""
    if not isinstance(parser, click.Group):
        parser.make_context(parser.name, words, parent)
        return
    context = click.Context(parser, parent)
    _, verb, rest = parser.resolve_command(context, words)
    assert verb is not None
    parse(verb, rest, context)


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_a_command_of_a_page_parses(page: str, line: str) -> None:
    _, *words = shlex.split(line, comments=True)
    try:
        parse(command, words)
    except click.exceptions.Exit:
        assert words[-1] == "--help"


class References(HTMLParser):
    """Collects what a page loads, and how many equations each definition has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.definition = ""
        self.equations = Counter[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        attributes = dict(given)
        if tag == "dt" and attributes.get("id"):
            self.definition = attributes["id"] or ""
        if tag == "mtr":
            self.equations[self.definition] += 1
        if tag != "a":
            self.loaded += [
                attributes[name] or "" for name in ("src", "href") if name in attributes
            ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation as `make docs` does, where a broken link is an error."""
    built = tmp_path_factory.mktemp("site")
    options = ["--fail-on-warning", "--quiet", "--conf-dir", "docs/building"]
    build = [sys.executable, "-m", "sphinx", *options, "docs", str(built)]
    ended = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return built


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        for reference in References(page.read_text(encoding="utf-8")).loaded:
            assert not re.match(r"(https?:)?//", reference), (page.name, reference)
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", text), style.name


@pytest.mark.slow
def test_the_site_has_every_public_name_and_the_equations_of_every_layer(site: Path) -> None:
    import custom_layers
    import exports

    layers = (site / "layers.html").read_text(encoding="utf-8")
    for name in custom_layers.__all__:
        assert f'id="custom_layers.{name}"' in layers
    shown = References(layers).equations
    for layer in table.public_layers():
        written = equations.blocks(layer.__doc__ or "")
        rows = sum(equations.tex(block).count(r"\\") + 1 for block in written)
        assert shown[f"custom_layers.{layer.__name__}"] == rows > 0, layer.__name__
    assert shown["custom_layers.LSTM"] == 5 and shown["custom_layers.IRNN"] == 3
    exporting = (site / "exporting.html").read_text(encoding="utf-8")
    for name in exports.__all__:
        assert f'id="exports.{name}"' in exporting


@pytest.mark.slow
def test_the_site_has_every_task_with_its_presets(site: Path) -> None:
    from pipeline import recipes

    page = (site / "tasks.html").read_text(encoding="utf-8")
    for name in recipes.names():
        assert f'<section id="{name.replace("_", "-")}">' in page
        for preset in recipes.get(name).presets:
            assert f'--preset</span> <span class="pre">{preset}' in page


@pytest.mark.slow
@pytest.mark.parametrize("page", ["layers", "grid"])
def test_everyone_can_use_a_page_of_the_site(site: Path, page: str) -> None:
    assert accessibility.faults(site / f"{page}.html") == []


def test_the_page_of_results_shows_what_is_kept_of_the_presets_as_they_are() -> None:
    from benchmarks import results
    from benchmarks.kept import Kept, settings

    kept = Kept.read(results.FILE)
    for entry in results.ENTRIES:
        assert kept.entries[entry.name].settings == settings(entry.config), entry.name
    page = results.FILE.with_suffix(".md").read_text(encoding="utf-8")
    assert page == results.page(kept)


def test_the_page_of_memory_shows_what_is_kept() -> None:
    from benchmarks import memory
    from benchmarks.kept import Kept

    page = memory.FILE.with_suffix(".md").read_text(encoding="utf-8")
    assert page == memory.page(Kept.read(memory.FILE))


def test_the_page_about_serving_has_the_limits_of_the_server() -> None:
    text = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    shown: dict[str, str] = {}
    for options, defaults in re.findall(r"^\| (`--max.*?) \| (.*?) \|", text, re.MULTILINE):
        shown |= zip(re.findall(r"--([\w-]+)", options), defaults.split(", "), strict=True)
    assert {"max-bytes", "max-rows", "max-seconds"} <= shown.keys()
    for name, default in shown.items():
        assert float(default.replace(",", "")) == getattr(Limits(), name.replace("-", "_"))


def test_every_notebook_is_named() -> None:
    page = (ROOT / "docs/notebooks.md").read_text(encoding="utf-8")
    names = re.findall(r"`(\w+\.ipynb)`", page)
    assert names == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    ("notation", "tex"),
    [
        ("h_t = tanh(W_xh x_t + b)", r"h_{t} & = \tanh (W_{xh} x_{t} + b)"),
        ("i_t = b_i       store", r"i_{t} & = b_{i} & \quad \;\text{store}\;"),
        ("g = b  with `reset_after`", r"g & = b & \quad \;\text{with}\; \;\texttt{reset_after}\;"),
        ("c_t = f_t * c_{t-1}", r"c_{t} & = f_{t} \odot c_{t-1}"),
        ("z_t = dt * (x - gamma y_t)", r"z_{t} & = \Delta t \, (x - \gamma y_{t})"),
        ("h = (f * c + i) / (f + i)", r"h & = \frac{f \odot c + i}{f + i}"),
        ("a = s * sqrt(1 - a_t^2)", r"a & = s \odot \sqrt{1 - a_{t}^{2}}"),
        ("v = variance(x) + 1e-5", r"v & = \operatorname{variance} (x) + 10^{-5}"),
        ("v = (W - W^T) h", r"v & = (W - W^{\top}) h"),
        ("i = x       f = y", "i & = x \\\\\nf & = y"),
        (
            "b_f = log(u),  u ~ uniform(1, 2)",
            "b_{f} & = \\log (u) \\\\\nu & \\sim \\operatorname{uniform} (1 , 2)",
        ),
        ("state_t = LN(x; s)", r"\mathrm{state}_{t} & = \operatorname{LN} (x ; s)"),
    ],
)
def test_notation_becomes_tex(notation: str, tex: str) -> None:
    first, *rows, last = equations.tex(f"    {notation}\n").split("\n")
    assert (first, "\n".join(rows), last) == ("\\begin{array}{rll}", tex, "\\end{array}")


@pytest.mark.parametrize("notation", ["h = tanh(x", "h = x)"])
def test_parentheses_that_do_not_match_are_refused(notation: str) -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        equations.tex(notation)


def test_an_indented_block_without_equations_is_code() -> None:
    docstring = "Use it.\n\n    LSTM(64, seed=1)\n\nThe `h_t` and x_t stay as they are.\n"
    assert equations.blocks(docstring) == []
    assert equations.restructured(docstring) == (
        "Use it.\n\n.. code-block:: python\n\n    LSTM(64, seed=1)\n\n"
        "\nThe `h_t` and x_t stay as they are.\n"
    )


def test_variables_in_the_text_beside_equations_are_set_as_these() -> None:
    docstring = "One.\n\n    h_t = x_t\n\nHere h_t is `[batch]`, `*` a product, |x| its size.\n"
    assert equations.restructured(docstring).endswith(
        "Here :math:`h_{t}` is `[batch]`, :math:`\\odot` a product, \\|x\\| its size.\n"
    )
