"""Whether higher or lower figures are better."""

from collections.abc import Mapping
from typing import Literal

Better = Literal["higher", "lower"]
Directions = Better | Mapping[str, Better]  # of all figures alike, or by name


def direction(better: Directions, figure: str) -> Better | None:
    """Say which of two figures called `figure` is better; None: neither."""
    return better.get(figure) if isinstance(better, Mapping) else better
