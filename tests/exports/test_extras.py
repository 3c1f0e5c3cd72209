"""Who misses an extra is told what to install, and nothing else is taken for a missing extra."""

import importlib

import pytest

from exports import extras


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_a_missing_package_names_its_extra(module: str) -> None:
    with pytest.raises(extras.MissingExtraError) as told, extras.needed("serve"):
        importlib.import_module(module)
    assert str(told.value) == (
        'no_such_package is not installed: pip install "keras-recurrent[serve]"'
    )


@pytest.mark.parametrize("module", ["exports.no_such_module", "pipeline.no_such_module"])
def test_a_missing_module_of_ours_is_a_mistake_of_ours(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), extras.needed("serve"):
        importlib.import_module(module)


def test_a_missing_name_is_no_missing_package() -> None:
    with pytest.raises(ImportError, match="no_such_name") as told, extras.needed("serve"):
        exec("from json import no_such_name")
    assert not isinstance(told.value, extras.MissingExtraError)
