"""Images and what is said of them: two columns of a table, chosen, parsed and split."""

from functools import partial

from pipeline.config.caption import CaptionConfig
from pipeline.data import columns, images, labelled, pairs
from pipeline.data.pairs import Paired
from pipeline.data.table import Parse, Table
from pipeline.errors import PipelineError

_USUAL = ("caption", "captions", "text", "texts", "label", "description")


def load(config: CaptionConfig) -> Paired:
    """Read the data that `config` names: which columns, in which splits.

    Raises:
        PipelineError: a column is missing, a value cannot be used, or a split is empty.
    """
    table = labelled.read(config)
    image, text = choose(table, config)
    return pairs.paired(table, image, parse(config), text, config)


def parse(config: CaptionConfig) -> Parse:
    """Return what makes an image of a value, of the size that `config` has."""
    return partial(images.to_image, size=config.size)


def choose(table: Table, config: CaptionConfig) -> tuple[str, str]:
    """Return the columns of the images and the captions; where the user named none, choose.

    Of several columns of texts, the one that is named as usual is taken.

    Raises:
        PipelineError: a column is not there, or none will do.
    """
    for name in filter(None, (config.image, config.text)):
        table.column(name)
    if config.image and config.image == config.text:
        raise PipelineError(f"Column {config.image!r} cannot be both the image and the text.")
    if config.image and config.text:
        return config.image, config.text
    known = columns.describe(table)
    fixed = (config.image, config.text, config.group, config.split)
    free = [name for name in known if name not in fixed]
    pictured = [name for name in free if known[name].kind == "image" or _has_pixels(table, name)]
    texts = [
        name
        for name in free
        if known[name].kind in ("text", "words", "class")
        or (known[name].kind == "other" and known[name].words)
    ]
    texts = [name for name in texts if name.lower() in _USUAL] or texts
    image = config.image or _only(table, pictured, "images", "--image")
    return image, config.text or _only(table, texts, "captions", "--text")


def _has_pixels(table: Table, name: str) -> bool:
    return any(map(images.is_pixels, table.column(name)[:1]))


def _only(table: Table, found: list[str], what: str, option: str) -> str:
    """Return the one column that was found.

    Raises:
        PipelineError: there are several, or none.
    """
    if len(found) == 1:
        return found[0]
    said = f"several columns of {what}: {', '.join(found)}" if found else f"no column of {what}"
    raise PipelineError(
        f"{table.name} has {said}; its columns are {', '.join(table.columns)}. Name one with "
        f"{option}."
    )
