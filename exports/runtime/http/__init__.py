"""An exported model behind HTTP; like `exports.runtime`, without TensorFlow."""
