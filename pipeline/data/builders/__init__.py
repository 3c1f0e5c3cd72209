"""The data sets that travel in packages, one TFDS builder a module. All are known once imported."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
