"""A task and a config become a run directory: data, training, metrics, exports, report."""
