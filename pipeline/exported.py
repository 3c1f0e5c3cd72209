"""The exports of whatever a path is: those that are there, or temporary ones of a Keras file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline import paths, quiet
from pipeline.messages import say
from pipeline.paths import Kind


@contextmanager
def directory(path: Path, formats: Sequence[str] = ("onnx",)) -> Iterator[Path]:
    """Yield the artifact directory of `path`. A Keras file is exported to a temporary one.

    Raises:
        PipelineError: there is none, or the Keras file cannot be exported.
    """
    if paths.kind(path) is not Kind.KERAS:
        yield paths.directory(path)
        return
    quiet.load_tensorflow()
    from pipeline.export import export_file

    with TemporaryDirectory() as folder:
        say(f"exporting {path} to a temporary directory")
        yield export_file(path, Path(folder, path.stem), formats).directory
