"""The names under which Keras saves and finds our classes."""

import sys
from pathlib import Path
from typing import Any, ClassVar

import keras

_WITH_FUNCTIONS = (
    "activations",
    "constraints",
    "initializers",
    "losses",
    "metrics",
    "regularizers",
)


class Layer(keras.layers.Layer):
    """A Keras layer that registers its subclasses, so that they can be saved and loaded.

    A class is registered under its module and its qualified name: two classes of the same name in
    two modules are two classes. If a definition runs again, as in a notebook, the last one counts.
    """

    nested: ClassVar[tuple[str, ...]] = ()
    """The constructor arguments that are layers or cells, or lists of them."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        package = package_of(cls.__module__)
        keras.saving.register_keras_serializable(package, cls.__qualname__)(cls)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Build the layer that `get_config` described.

        Raises:
            ValueError: if `config` names a class or a function that is not registered here.
        """
        config = resolved(config)
        nested = {name: keras.saving.deserialize_keras_object(config[name]) for name in cls.nested}
        return cls(**{**config, **nested})


def package_of(module: str) -> str:
    """Return the package under which the classes of `module` are registered.

    It is the name by which another program imports the module, also for the program that runs now.
    The modules of this project share one package, so that a class may move between them.
    """
    ours = __name__.partition(".")[0]
    if module.partition(".")[0] == ours:
        return ours
    if module not in ("__main__", "__mp_main__"):  # the latter in a spawned process
        return module
    program = vars(sys.modules[module])
    if program.get("__spec__") is not None:  # python -m
        return str(program["__spec__"].name)
    return Path(program["__file__"]).stem if "__file__" in program else module


def resolved(config: Any) -> Any:
    """Return `config` with the names under which its classes and functions are registered here.

    Raises:
        ValueError: if it names any that are not registered.
    """
    unknown: dict[str, str] = {}
    config = _resolved(config, unknown)
    if unknown:
        raise ValueError(" ".join(unknown.values()))
    return config


def _resolved(config: Any, unknown: dict[str, str]) -> Any:
    """Return `config` as `resolved` does, and collect what to do about the unknown names."""
    if isinstance(config, list | tuple):
        return type(config)([_resolved(each, unknown) for each in config])
    if not isinstance(config, dict):
        return config
    config = {key: _resolved(value, unknown) for key, value in config.items()}
    if "class_name" not in config or config.get("registered_name") is None:
        return config  # no object, or one of Keras's
    if config["class_name"] == "function":
        field, names, advice = "config", [config["config"]], _advice_on_function(config["config"])
        known = any(hasattr(getattr(keras, kind), config["config"]) for kind in _WITH_FUNCTIONS)
    else:
        # Keras writes None for `__main__`.
        module, name = config.get("module") or "__main__", config["registered_name"]
        # The second is what a user may give; the third, what was saved before classes registered.
        names = [name, config["class_name"], f"{package_of(module)}>{name}"]
        field, advice = "registered_name", _advice_on_class(name, module)
        known = module.startswith("keras")
    for each in names:
        if keras.saving.get_registered_object(each) is not None:
            return {**config, field: each}
    if not known:
        unknown[names[0]] = advice
    return config


def _advice_on_class(name: str, module: str) -> str:
    package, _, class_name = name.partition(">") if ">" in name else ("", "", name)
    module = package if module == "__main__" and package else module
    origin, how = f"the module {module!r}", f"Import {module!r}"
    if module == "__main__":
        origin, how = "a notebook or an interactive session", "Define it again"
    return _advice(f"The class {class_name!r} of {origin}", how, name)


def _advice_on_function(name: str) -> str:
    return _advice(f"The function {name.rpartition('>')[2]!r}", "Import its module", name)


def _advice(what: str, how: str, name: str) -> str:
    if ">" not in name:  # no class of ours, which would have registered itself
        how = f"Decorate it with @keras.saving.register_keras_serializable(). {how}"
    return (
        f"{what} is not known here. {how} before the model is loaded, "
        f"or pass custom_objects={{{name!r}: ...}} to the loading function."
    )
