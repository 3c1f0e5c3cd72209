import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import pytest

from exports import Artifact, export
from exports.runtime import web
from pipeline.web import page_of
from tests.clients.accessibility import faults_at
from tests.clients.node import HERE, reject_uninstalled, run, served
from tests.clients.pages import Step, Visit
from tests.exports import writers

PAGE_BYTES = 2_000_000


@pytest.fixture
def visit(tmp_path: Path) -> Visit:
    """Builds the page of an exported model, takes steps on it, and returns what came of each."""
    reject_uninstalled()

    def visit(exported: Artifact, steps: Sequence[Step]) -> list[Any]:
        runtime = HERE / "node_modules/onnxruntime-web/dist"
        weight = web.build(page_of(exported), tmp_path / "page", runtime)
        assert weight.page < PAGE_BYTES
        (tmp_path / "steps.json").write_text(json.dumps(steps), encoding="utf-8")
        with served(tmp_path / "page") as address:
            came = list(json.loads(run(tmp_path, HERE / "visit.mjs", address)))
            assert faults_at(address) == []
        return came

    return visit


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model that reads letters and writes others; tests read it and leave it alone."""
    keras.utils.set_random_seed(0)
    return export(
        writers.translator(),
        tmp_path_factory.mktemp("translator") / "artifact",
        formats=["onnx"],
        labels=writers.SYMBOLS,
        writing=writers.WRITING,
    )
