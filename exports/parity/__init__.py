"""Whether formats compute the same function: what they are compared on, and how."""
