"""The load of meters that a formula makes, hour by hour: a day's wave, wind and holidays."""

import csv
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

BEGIN = datetime(2024, 1, 1)
NAMES = ("stamp", "meter", "mw", "mvar", "wind", "holiday")

Row = dict[str, Any]


def loads(hours: int, meters: Iterable[str] = ("a",), seed: int = 0) -> list[Row]:
    """Make a row for each hour and meter."""
    random = np.random.default_rng(seed)
    return [
        {
            "stamp": (BEGIN + timedelta(hours=hour)).isoformat(),
            "meter": meter,
            "mw": round(500 + 80 * wave + 20 * wind - 50 * holiday, 2),
            "mvar": round(5 - wave, 3),
            "wind": round(wind, 3),
            "holiday": holiday,
        }
        for meter in meters
        for hour in range(hours)
        for wave in [np.sin(2 * np.pi * hour / 24) + 0.05 * random.normal()]
        for wind in [random.normal()]
        for holiday in [int(hour // 24 % 7 == 6)]
    ]


def write(
    path: Path, rows: Iterable[Row], change: Callable[[int, Row], Row | None] | None = None
) -> Path:
    """Write rows as CSV; `change` may alter one, or leave it out."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, NAMES)
        writer.writeheader()
        for number, row in enumerate(rows):
            changed = change(number, row) if change else row
            if changed is not None:
                writer.writerow(changed)
    return path
