"""What a run was made with: programs and machine."""

import importlib.metadata
import platform
from datetime import UTC, datetime

PACKAGES = (
    "keras",
    "tensorflow",
    "tensorflow-datasets",
    "numpy",
    "scikit-learn",
    "tf2onnx",
    "onnx",
    "onnxruntime",
)


def describe() -> dict[str, str]:
    """Name the versions and the machine, and say what time it is."""
    import tensorflow as tf

    from exports import latency, metadata

    gpus = tf.config.list_physical_devices("GPU")
    details = map(tf.config.experimental.get_device_details, gpus)
    names = [str(detail.get("device_name", "GPU")) for detail in details]
    return {
        "trained": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "code": metadata.code(),
        "processor": latency.processor(),
        "GPU": ", ".join(names) or "none",
        "system": platform.system(),
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }
