"""What the tests of every room need before TensorFlow is loaded."""

import os

# Its native log goes to stderr, where tests of the command look for one line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
