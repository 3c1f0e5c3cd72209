"""An artifact that version 0.1 wrote, before there were endpoints: it is read as it is."""

from pathlib import Path

import numpy as np
import pytest

from exports import load, verify
from exports.runtime import Predictor
from pipeline.web import page_of

ARTIFACT = Path(__file__).parent / "artifact_0_1"


def test_it_is_verified() -> None:
    proofs = verify(ARTIFACT)
    assert {"recorded", "step", "text"} <= proofs.keys()
    assert max(proof.worst for proof in proofs.values()) < 2e-5


def test_it_answers_and_streams() -> None:
    predictor = Predictor(ARTIFACT)
    recorded = predictor.artifact.response["label"]
    np.testing.assert_allclose(
        predictor.predict(predictor.artifact.request)["label"], recorded, atol=1e-6
    )
    text = predictor("not good!")
    ids = np.array([[4, 2, 5]], "int32")
    (expected,) = predictor.predict(ids)["label"]
    assert [*text.scores.values()] == pytest.approx(expected.tolist(), abs=1e-6)
    stream = predictor.stream()
    for place in range(3):
        outputs = stream.feed(ids[:, place : place + 1])
    np.testing.assert_allclose(outputs["label"][0], expected, atol=1e-6)


def test_what_was_measured_is_known() -> None:
    artifact = load(ARTIFACT)
    assert list(artifact.config.signatures) == ["model", "step", "text"]
    assert list(artifact.report.precision["onnx"].forms) == ["float32", "int8"]
    assert artifact.proofs["whole"].reference == "keras"
    assert page_of(artifact).name == "text"
