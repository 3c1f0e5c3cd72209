"""The file that Keras itself exports: the side to measure against."""

import keras
import numpy as np
import pytest

from exports import ExportError, keras_export
from tests.exports import models

TOKENS = np.array([[2, 5, 0], [3, 4, 2]], "int32")


def test_it_computes_what_the_model_does() -> None:
    model = models.classifier()
    expected = model(TOKENS)
    (outputs,) = keras_export.read(model)({"tokens": TOKENS}).values()
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_what_keras_cannot_export_is_an_error_of_ours() -> None:
    never_called = models.classifier()
    with pytest.raises(ExportError, match=r"keras.Model.export fails: .*never"):
        keras_export.read(never_called)
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = models.classifier()
    model(TOKENS)
    with pytest.raises(ExportError, match="ONNX Runtime"):
        keras_export.read(model)({"tokens": TOKENS})
