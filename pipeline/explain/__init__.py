"""What a model remembers of one subject, measured and drawn on a page."""
