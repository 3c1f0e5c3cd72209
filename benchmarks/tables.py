"""What benchmarks print: rows of figures in Markdown."""

from typing import Any

from pipeline.tables import Sheet


def table(rows: list[dict[str, Any]]) -> str:
    """Write rows of equal keys in Markdown, numbers with three digits."""

    def text(value: Any) -> str:
        if not isinstance(value, float):
            return str(value)
        return f"{value:.3g}" if value < 100 else f"{value:.0f}"

    cells = [[text(value) for value in row.values()] for row in rows]
    return Sheet([*rows[0]], cells).markdown().rstrip()
