"""Settings as users keep them: in JSON and YAML files, and as KEY=VALUE on the command line."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from pipeline import files
from pipeline.config import Config
from pipeline.errors import PipelineError


def read(path: Path) -> dict[str, Any]:
    """Read settings, all or some, from a JSON or a YAML file.

    Raises:
        PipelineError: there is no such file, or it holds no settings.
    """
    if path.suffix.lower() not in (".yaml", ".yml"):
        return files.read_json(path, dict[str, Any])
    settings = _from_yaml(files.read(path), str(path))
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise PipelineError(f"{path} holds no settings: give lines such as units: 64")
    return settings


def changes(given: Iterable[str]) -> dict[str, Any]:
    """Read settings that the user types as KEY=VALUE, the value as in YAML.

    Raises:
        PipelineError: there is no `=`, or the value is not understood.
    """
    found = {}
    for change in given:
        name, equals, value = change.partition("=")
        if not (name and equals):
            raise PipelineError(f"--set {change} is no change: give KEY=VALUE, such as units=64")
        found[name.replace("-", "_")] = _from_yaml(value, f"--set {change}")
    return found


def to_yaml(config: Config) -> str:
    """Write `config` as YAML, each setting under what it is."""
    fields = type(config).model_fields
    return "".join(
        f"# {fields[name].description}\n{name}: {json.dumps(value)}\n"
        for name, value in config.model_dump().items()
    )


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as in JSON."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _from_yaml(text: str, name: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise PipelineError(f"{name} is not YAML: {reason}") from error
