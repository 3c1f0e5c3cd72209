"""Names that are written into ONNX files, and read from them."""

BACKWARDS = " backwards"  # ends the name of the body of a Scan that begins at the last step
