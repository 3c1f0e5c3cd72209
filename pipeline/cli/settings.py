"""The settings of a task as options of a verb."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.recipes.base import Recipe

FOLDER = click.Path(path_type=Path)


class OfTask(click.Group):
    """A verb with a command for each task and recipe, whose options are the settings.

    Args:
        does: gets the recipe, and the values of all options by their names.
        options: those that are no settings.
        about: what the command of a task does, where `{}` is what is learnt.
        help: what the verb does.
        without: settings that are no options.
    """

    def __init__(
        self,
        name: str,
        *,
        does: Callable[..., None],
        options: Iterable[click.Option],
        about: str,
        help: str,
        without: Iterable[str] = (),
    ) -> None:
        super().__init__(name, help=help, subcommand_metavar="TASK [OPTIONS]")
        self.does = does
        self.options = tuple(options)
        self.about = about
        self.without = ("task", "recipe", *without)

    def list_commands(self, context: click.Context) -> list[str]:
        """Name the tasks and the recipes."""
        from pipeline import recipes

        return recipes.names()

    def get_command(self, context: click.Context, name: str) -> click.Command:
        """Make the command of the task or recipe called `name`."""
        from pipeline import recipes

        recipe = recipes.get(name)
        return click.Command(
            name,
            params=[
                *self.options,
                *_beginning(recipe),
                *_settings(recipe, self.without),
                *_old_names(recipe),
            ],
            callback=lambda **given: self.does(recipe, **given),
            help=self.about.format(recipe.summary),
            short_help=recipe.summary,
        )


def chosen(
    recipe: Recipe,
    preset: str,
    file: Path | None,
    changes: Sequence[str],
    flags: Mapping[str, Any],
) -> tuple[Any, dict[str, Any]]:
    """Return the config that the user asks for, and the settings that are given beside a file."""
    from pipeline import config, config_files

    in_file = config_files.read(file) if file else {}
    given = config_files.changes(changes)
    given |= {name: value for name, value in flags.items() if value is not None}
    return config.merge(recipe.presets[preset](), in_file, given), given


def command(config: Any, path: Path, code: Sequence[Path] = ()) -> str:
    """Return the command that trains the run of `config` at `path`, by its nearest preset."""
    from pipeline import recipes

    name = config.recipe_name
    presets = {name: preset() for name, preset in recipes.get(name).presets.items()}
    changes = {
        name: {key: value for key, value in config if value != getattr(preset, key)}
        for name, preset in presets.items()
        if type(preset) is type(config)
    }
    preset, changed = min(changes.items(), key=lambda item: len(item[1]))
    options = [f"--preset={preset}", *starmap(_given, changed.items())]
    if None in changed.values():  # which no option can say
        options = [f"--config={path / 'config.json'}"]
    options += [f"--code={file}" for file in code]
    return shlex.join(["recurrent", "train", name, *options, f"--run={path}"])


def _given(name: str, value: Any) -> str:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag}={value}"


class _Presets(click.Choice[str]):
    """The presets of a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(list(recipe.presets))
        self.replaced = recipe.replaced

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Say of a preset of an older version what to do instead."""
        if value in self.replaced:
            raise PipelineError(f"there is no preset {value!r} any more. {self.replaced[value]}")
        return super().convert(value, param, ctx)


def _beginning(recipe: Recipe) -> Iterator[click.Option]:
    presets = list(recipe.presets)
    yield click.Option(
        ["--preset"],
        type=_Presets(recipe),
        default=presets[0],
        show_default=True,
        help="Settings to begin with.",
    )
    yield click.Option(["--config", "file"], type=FOLDER, help="Settings in a JSON or YAML file.")
    yield click.Option(
        ["--set", "changes"],
        multiple=True,
        metavar="KEY=VALUE",
        help="A setting over those of the file; may be repeated.",
    )


def _settings(recipe: Recipe, without: Iterable[str]) -> Iterator[click.Option]:
    """Make an option for each setting of a preset. Whether a value will do, the config says."""
    presets = {name: preset for preset in _configs(recipe) for name in type(preset).model_fields}
    for name, preset in presets.items():
        if name in without:
            continue
        field = type(preset).model_fields[name]
        flag, shown = name.replace("_", "-"), getattr(preset, name)
        default = "" if shown in (None, "") else f"  [default: {str(shown).lower()}]"
        yield click.Option(
            [f"--{flag}/--no-{flag}" if field.annotation is bool else f"--{flag}"],
            type=_click_type(field.annotation),
            default=None,
            help=f"{field.description}{default}",
        )


def _old_names(recipe: Recipe) -> Iterator[click.Option]:
    """Make a hidden option for each setting that an older version had and this one has not."""
    from pipeline.config import OLD_NAMES, REPLACED_SETTINGS

    types: dict[str, Any] = {}
    for each in _configs(recipe):
        fields = type(each).model_fields
        renamed = OLD_NAMES.get(each.task, {}).items()
        types |= {old: _click_type(fields[new].annotation) for old, new in renamed}
        types |= dict.fromkeys(REPLACED_SETTINGS.get(each.recipe_name, ()), str)
    for old, kind in types.items():
        yield click.Option([f"--{old}"], type=kind, hidden=True)


def _configs(recipe: Recipe) -> Sequence[Any]:
    """Return the config of each preset, that of the first one last."""
    return [preset() for preset in reversed([*recipe.presets.values()])]


def _click_type(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    return next(kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type))
