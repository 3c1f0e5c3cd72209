"""What people install: the wheel with each extra, in an environment that has nothing else."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[1]
SERVE_ALONE = {"httptools", "prometheus_client", "starlette", "uvicorn", "websockets"}

LAYERS = """
import keras, numpy as np
from custom_layers import LSTM
steps = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
ours, theirs = LSTM(4), keras.layers.LSTM(4)
ours.build(steps.shape), theirs.build(steps.shape)
ours.set_weights(theirs.get_weights())
np.testing.assert_allclose(
    keras.ops.convert_to_numpy(ours(steps)), keras.ops.convert_to_numpy(theirs(steps)), atol=1e-6
)
print(keras.backend.backend())
"""
EXPORTED = """
import keras, numpy as np
import exports
from custom_layers import GRU
from exports.runtime import Predictor
steps = keras.Input((None, 3), name="steps")
model = keras.Model(steps, keras.layers.Dense(2, name="label")(GRU(4)(steps)))
exports.export(model, "artifact")
exports.verify("artifact")
given = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
answer = Predictor("artifact")(given)["label"]
np.testing.assert_allclose(answer, model.predict(given, verbose=0), atol=1e-6)
"""
MODULES = """
import importlib, pkgutil
import exports, pipeline
for room in (exports, pipeline):
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.", onerror=print):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ImportError as error:
                print(error.name)
"""


class Environment:
    """An empty environment of Python; the program `pip` in it installs into it."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
        self.folder = folder
        pip = folder / "bin" / "pip"
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python {folder}/bin/python "$@"')
        pip.chmod(0o755)
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        # Not compiled: little of what is installed is imported.
        self.variables = {
            **clean,
            "PATH": f"{folder}/bin:{clean['PATH']}",
            "PIP_NO_COMPILE": "1",
            "PIP_QUIET": "1",
        }

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        program = shutil.which(command[0], path=self.variables["PATH"])
        assert program
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=self.folder,
            **{"env": self.variables, **pipes, **options},
        )

    def run(self, *command: str, **variables: str) -> str:
        with self.start(*command, env={**self.variables, **variables}) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        return out

    def complaint(self, *command: str, **variables: str) -> str:
        """What a command that fails says last."""
        with self.start(*command, env={**self.variables, **variables}) as process:
            err = process.communicate()[1]
        assert process.returncode == 1
        return err.splitlines()[-1]

    @property
    def packages(self) -> set[str]:
        listed = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
        return set(self.run("python", "-c", listed).lower().split())


def instructions() -> list[list[tuple[str, str]]]:
    """The instructions of each stage of the Dockerfile, without its comments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    pairs = [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line)]
    first = [place for place, (name, _) in enumerate(pairs) if name == "FROM"]
    return [pairs[one:two] for one, two in zip(first, [*first[1:], None], strict=True)]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as the first stage of the Dockerfile does."""
    folder = tmp_path_factory.mktemp("wheel")
    everything, *sent, caches = (ROOT / ".dockerignore").read_text().split()
    assert everything == "*" and caches == "**/__pycache__"
    source, wheels = folder / "source", folder / "wheels"
    source.mkdir()
    for name in sent:
        path = ROOT / name.removeprefix("!")
        if path.is_dir():
            shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    builder = Environment(folder / "builder")
    (build,) = (rest for name, rest in instructions()[0] if name == "RUN")
    builder.run("sh", "-c", f"cd {source} && {build.replace('/wheels', str(wheels))}")
    (built,) = wheels.glob("keras_recurrent-*.whl")
    return built


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may read, as those of pytest are not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def for_everyone(program: str) -> bool:
    """Whether every user may run a program."""
    return all(parent.stat().st_mode & 0o001 for parent in Path(program).resolve().parents)


@pytest.mark.slow
def test_base_has_the_layers_on_any_backend(wheel: Path, tmp_path: Path) -> None:
    base = Environment(tmp_path / "base")
    base.run("pip", "install", str(wheel))
    # Keras brings ten of them.
    assert {"keras", "numpy"} < base.packages and len(base.packages) < 20
    assert not {"click", "jax", "onnx", "onnxruntime", "tensorflow", "torch"} & base.packages

    for backend in ("tensorflow", "jax", "torch"):
        said = base.complaint("python", "-c", "import custom_layers", KERAS_BACKEND=backend)
        assert said == (
            f"ImportError: Keras's backend is {backend}, which is not installed. "
            'TensorFlow comes with pip install "keras-recurrent[export]"; '
            "for JAX or torch, install it and set KERAS_BACKEND to jax or torch."
        )
    said = base.complaint("python", "-c", "import exports; exports.export")
    assert said.endswith(' is not installed: pip install "keras-recurrent[export]"')
    said = base.complaint("python", "-c", "from exports.runtime import Predictor")
    assert said.endswith(' is not installed: pip install "keras-recurrent[serve]"')
    said = base.complaint("recurrent", "tasks")
    assert said == 'recurrent: click is not installed: pip install "keras-recurrent[pipeline]"'

    base.run("pip", "install", "jax")
    assert base.run("python", "-c", LAYERS, KERAS_BACKEND="jax") == "jax\n"


@pytest.mark.slow
def test_export_exports_and_pipeline_adds_the_command(wheel: Path, tmp_path: Path) -> None:
    installed = Environment(tmp_path / "pipeline")
    installed.run("pip", "install", f"{wheel}[export]")
    assert "tensorflow" in installed.packages
    assert not {"click", "pydantic", "starlette", "tensorflow-datasets"} & installed.packages
    installed.run("python", "-c", LAYERS + EXPORTED)

    installed.run("pip", "install", f"{wheel}[pipeline]")
    assert "sentiment" in installed.run("recurrent", "tasks")
    missing = set(installed.run("python", "-c", MODULES).split())
    assert missing and missing <= SERVE_ALONE, missing
    said = installed.complaint("recurrent", "serve", "artifact")
    assert re.fullmatch(r'recurrent: \w+ is not .*: pip install "keras-recurrent\[serve\]"', said)


@pytest.mark.slow
def test_the_image_serves_a_model(wheel: Path, public: Path) -> None:
    """Do in an environment what the Dockerfile does in its last stage, as its user if possible."""
    import keras
    import numpy as np

    import exports
    from custom_layers import LSTM

    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(9, 4, mask_zero=True)(tokens)
    model = keras.Model(tokens, keras.layers.Dense(2, name="label")(LSTM(4)(embedded)))
    exports.export(model, public / "model")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    stage = dict(instructions()[-1])
    for place, here in {"/wheels": wheel.parent, "/model": public / "model", "8000": port}.items():
        stage = {name: rest.replace(place, str(here)) for name, rest in stage.items()}
    interpreters = [sys.executable, *filter(None, [shutil.which("python3.11", path="/usr/bin")])]
    python = next(filter(for_everyone, interpreters), sys.executable)
    served = Environment(public / "served", python)
    served.run("sh", "-c", stage["RUN"])
    served.variables |= dict([stage["ENV"].split("=")])
    assert "tensorflow" not in served.packages
    said = served.complaint("recurrent", "tasks")
    assert said == 'recurrent: pydantic is not installed: pip install "keras-recurrent[pipeline]"'

    user, group = map(int, stage["USER"].split(":"))
    assert user and group
    other = {"user": user, "group": group, "extra_groups": []}
    switch: dict[str, Any] = other if os.geteuid() == 0 and for_everyone(python) else {}
    check = json.loads(stage["HEALTHCHECK"].partition("CMD ")[2])
    with served.start(*check, **switch) as unhealthy:
        assert "refused" in unhealthy.communicate()[1] and unhealthy.returncode == 1
    server = served.start(*json.loads(stage["ENTRYPOINT"]), **switch)
    try:
        assert server.stderr and server.stderr.readline().startswith("recurrent: serving")
        with served.start(*check, **switch) as healthy:
            assert healthy.communicate() == ("", "") and healthy.returncode == 0
        given = [[1, 2, 3], [4, 5, 0]]
        asked = Request(
            f"http://127.0.0.1:{port}/predict", json.dumps({"inputs": {"tokens": given}}).encode()
        )
        with urlopen(asked, timeout=20) as answer:
            got = json.load(answer)["outputs"]["label"]
        np.testing.assert_allclose(got, model.predict(np.array(given), verbose=0), atol=1e-6)
        loaded = Path(f"/proc/{server.pid}/maps").read_text()
        assert "onnxruntime" in loaded and "h5py" not in loaded  # which Keras loads
    finally:
        server.terminate()
        _, complaints = server.communicate()
    assert (server.returncode, complaints) == (0, "")
