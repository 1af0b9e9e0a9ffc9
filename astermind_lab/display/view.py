"""What there is to see, without saying how it is drawn.

View
├── facts   name and value, one line each
├── parts   Table · Bars · Interval · HeatMap · Curve, in this order on the page
└── notes   warnings, one sentence each
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "Bars",
    "Cell",
    "Curve",
    "Fact",
    "HeatMap",
    "Interval",
    "Part",
    "Share",
    "Table",
    "View",
]


class Share(float):
    """A number in [0, 1] that is read as a percentage."""


Cell = str | int | float | bool | datetime | None | Sequence[str]


@dataclass(frozen=True)
class Fact:
    """One named value."""

    name: str
    value: Cell
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under column heads. ``total`` is how many there are when ``rows`` holds only some."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    total: int | None = None


@dataclass(frozen=True)
class Bars:
    """Shares in [0, 1], one bar each."""

    items: Sequence[tuple[str, float]]
    caption: str = ""


@dataclass(frozen=True)
class Interval:
    """A share with its interval; ``basis`` says what it rests on."""

    name: str
    value: float
    low: float
    high: float
    basis: str


@dataclass(frozen=True)
class HeatMap:
    """Counts by (truth, predicted); pairs that are missing count zero."""

    labels: Sequence[str]
    counts: Mapping[str, Mapping[str, int]]
    caption: str = ""


@dataclass(frozen=True)
class Curve:
    """A value over time: (time in words, value or None for a gap, low, high) for each point.

    share : whether the values are shares
    """

    name: str
    points: Sequence[tuple[str, float | None, float | None, float | None]]
    share: bool = True


Part = Table | Bars | Interval | HeatMap | Curve


@dataclass(frozen=True)
class View:
    """Everything one result has to show."""

    title: str
    facts: Sequence[Fact] = ()
    parts: Sequence[Part] = ()
    notes: Sequence[str] = ()
