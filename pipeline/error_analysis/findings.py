"""What a reader of predictions is shown, whatever the task: a few kinds of blocks, as JSON."""

from collections.abc import Sequence, Sized
from typing import Annotated

from msgspec import Meta, Struct

from exports.signature import Natural

LARGEST = 1e30  # that a chart can show

Drawable = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
Values = Annotated[Sequence[Drawable | None], Meta(min_length=1)]  # None: missing


# Texts and pictures, in a cell or by themselves.


class Piece(Struct, frozen=True):
    """A part of a passage.

    Attributes:
        text: as it stands there, spaces included.
        note: what a reader has to know about it; it is seen behind the text.
        strength: of its colour.
    """

    text: str
    note: str = ""
    strength: Share = 0.0


class Passage(Struct, frozen=True, tag="passage"):
    """A text in which pieces stand out."""

    pieces: Sequence[Piece]


class Picture(Struct, frozen=True, tag="picture"):
    """A PNG file in base64, and what stands for it."""

    png: Annotated[str, Meta(pattern="^[A-Za-z0-9+/=]*$")]
    text: str


Cell = str | Passage | Picture


# What is drawn on a chart. `colour` is a number: elements that belong together share one.


class Line(Struct, frozen=True, tag="line"):
    """A line through points; a dotted one is what to hold others against."""

    name: str
    x: Values
    y: Values
    colour: Natural = 0
    dotted: bool = False

    def __post_init__(self) -> None:
        _reject_uneven(self.x, self.y)


class Dots(Struct, frozen=True, tag="dots"):
    """Points, the more weight the larger."""

    name: str
    x: Values
    y: Values
    weights: Sequence[Natural] | None = None
    colour: Natural = 0

    def __post_init__(self) -> None:
        _reject_uneven(self.x, self.y, self.x if self.weights is None else self.weights)


class Band(Struct, frozen=True, tag="band"):
    """All between two lines."""

    name: str
    x: Values
    low: Values
    high: Values
    colour: Natural = 0

    def __post_init__(self) -> None:
        _reject_uneven(self.x, self.low, self.high)


class Ranges(Struct, frozen=True, tag="ranges"):
    """An upright line at each point."""

    name: str
    x: Values
    low: Values
    high: Values
    colour: Natural = 0

    def __post_init__(self) -> None:
        _reject_uneven(self.x, self.low, self.high)


class Bars(Struct, frozen=True, tag="bars"):
    """A histogram: each count lies between two edges."""

    edges: Values
    counts: Annotated[Sequence[Natural], Meta(min_length=1)]

    def __post_init__(self) -> None:
        _reject_uneven(self.edges[1:], self.counts)


Element = Line | Dots | Band | Ranges | Bars


# The blocks of a finding.


class Text(Struct, frozen=True, tag="text"):
    """A paragraph."""

    text: str


class Terms(Struct, frozen=True, tag="terms"):
    """Names with their values."""

    values: dict[str, str]


class Table(Struct, frozen=True, tag="table"):
    """Rows of cells; `folded`: it is opened by whoever wants to see it."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    folded: bool = False

    def __post_init__(self) -> None:
        _reject_uneven(self.columns, *self.rows)


class Matrix(Struct, frozen=True, tag="matrix"):
    """Counts or fractions, coloured by their share of the row."""

    caption: str
    rows: Annotated[Sequence[str], Meta(min_length=1)]
    columns: Sequence[str]
    values: Sequence[Sequence[Natural | Share]]

    def __post_init__(self) -> None:
        _reject_uneven(self.rows, self.values)
        _reject_uneven(self.columns, *self.values)


class Chart(Struct, frozen=True, tag="chart"):
    """Marks between two axes.

    Attributes:
        title: stands above it.
        description: says what it shows, for those who do not see it.
        x: the name of an axis.
        y: the name of an axis.
        elements: what is drawn.
        numbers: the same in numbers, folded.
    """

    title: str
    description: str
    x: str
    y: str
    elements: Annotated[Sequence[Element], Meta(min_length=1)]
    numbers: Table | None = None


Block = Text | Terms | Passage | Table | Matrix | Chart


class Finding(Struct, frozen=True):
    """A heading, and what is found under it."""

    title: str
    content: Sequence[Block]


class ErrorAnalysis(Struct, frozen=True):
    """`findings.json`: all that a task says about its predictions for the test split."""

    findings: Sequence[Finding]


def _reject_uneven(first: Sized, *others: Sized) -> None:
    """Raise for rows or columns of different lengths; while JSON is read, it is damaged then."""
    for other in others:
        if len(other) != len(first):
            raise ValueError(f"{len(other)} values stand beside {len(first)}")
