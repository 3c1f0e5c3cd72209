"""Who misses an extra is told what to install, and nothing else is taken for a missing extra."""

import importlib
from pathlib import Path

import pytest

from exports import extras

REQUIRES = ["numpy", "numpy; extra == 'here'", "no-such-package; extra == 'serve'"]
REQUIRES += ["keras-recurrent[serve]; extra == 'all'", "keras-recurrent[here]; extra == 'some'"]


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is installed, with one package that is there and one that is not."""
    information = tmp_path / "keras_recurrent-1.dist-info"
    information.mkdir()
    lines = ["Name: keras-recurrent", *(f"Requires-Dist: {each}" for each in REQUIRES)]
    (information / "METADATA").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("extra", ["serve", "all"])
def test_an_extra_that_is_not_installed_is_named(extra: str) -> None:
    with pytest.raises(extras.MissingExtraError) as told, extras.needed(extra):
        importlib.import_module("no_such_package")
    assert str(told.value) == (
        f'no_such_package is not installed: pip install "keras-recurrent[{extra}]"'
    )


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("extra", ["here", "some"])
def test_an_extra_that_is_installed_is_not_blamed(extra: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="package_of_the_user"), extras.needed(extra):
        importlib.import_module("package_of_the_user")


@pytest.mark.usefixtures("_installed")
def test_a_missing_name_is_no_missing_package() -> None:
    with pytest.raises(ImportError, match="no_such_name") as told, extras.needed("serve"):
        exec("from json import no_such_name")
    assert not isinstance(told.value, extras.MissingExtraError)
