"""What a model remembers of one input, measured and drawn on a page."""
