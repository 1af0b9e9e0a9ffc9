"""Values as people read them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from astermind_lab.display.view import Cell, Fact, HeatMap, Share

__all__ = ["cell", "clip", "fact", "fold", "number", "share"]

OTHER = "(other)"
_OVERRIDES = "\u202a\u202b\u202d\u202e"


def clip(text: str, limit: int) -> str:
    """The text on one line, cut to ``limit`` characters.

    >>> clip("one\\ntwo three", 9)
    'one two …'
    """
    if len(text) > 4 * limit:
        text = text[: 4 * limit]  # a megabyte of text must not be split into words first
    line = "".join("�" if _hostile(c) else c for c in " ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _hostile(character: str) -> bool:
    """Whether it would disturb what stands around it: controls, lone surrogates, bidi overrides."""
    return unicodedata.category(character) in ("Cc", "Cs") or character in _OVERRIDES


def share(value: float) -> str:
    """A share as a percentage.

    >>> share(0.98765), share(1.0)
    ('98.8 %', '100.0 %')
    """
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"


def chance(p_value: float | None) -> str | None:
    """A p-value; None where there is none.

    >>> chance(0.0312), chance(0.000001)
    ('0.0312', '< 0.0001')
    """
    if p_value is None:
        return None
    return f"{p_value:.4f}" if p_value >= 0.0001 else "< 0.0001"


def number(value: float) -> str:
    """A number with as many digits as mean something.

    >>> number(1234567), number(0.123456), number(1234.5678), number(17.25)
    ('1,234,567', '0.1235', '1,235', '17.25')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def cell(value: Cell, limit: int = 80) -> str:
    """Any value of a table, on one line of at most ``limit`` characters.

    >>> cell(None), cell(True), cell(["ham", "spam"]), cell(datetime(2026, 1, 2, tzinfo=UTC))
    ('–', 'yes', 'ham, spam', '2026-01-02 00:00:00')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Share):
        return share(value)
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, str):
        return clip(value, limit)
    return _several(value, limit)


def _several(values: Sequence[str], limit: int) -> str:
    shown = ""
    for position, value in enumerate(values):
        item = clip(value, 30)
        rest = f"… ({len(values):,} in all)"
        if len(shown) + len(item) + len(rest) > limit and position:
            return f"{shown}, {rest}"
        shown = f"{shown}, {item}" if position else item
    return shown or "–"


def fact(item: Fact, limit: int = 80) -> str:
    """The value of a fact with its unit."""
    shown = cell(item.value, limit)
    return f"{shown} {clip(item.unit, limit)}" if item.unit and item.value is not None else shown


def fold(heat_map: HeatMap, limit: int) -> tuple[list[str], list[list[int]]]:
    """At most ``limit`` labels and their square of counts; the rarest become one "(other)".

    The labels kept are those met most often, as truth or prediction, in their given order.
    """
    labels = list(heat_map.labels)
    place = {label: i for i, label in enumerate(labels)}
    if len(labels) > limit:
        weight = dict.fromkeys(labels, 0)
        for truth, row in heat_map.counts.items():
            for predicted, n in row.items():
                weight[truth] += n
                weight[predicted] += n
        kept = set(sorted(labels, key=lambda label: -weight[label])[: limit - 1])
        labels = [label for label in labels if label in kept]
        place = {label: i for i, label in enumerate(labels)}
        labels.append(OTHER)
    last = len(labels) - 1
    square = [[0] * len(labels) for _ in labels]
    for truth, row in heat_map.counts.items():
        for predicted, n in row.items():
            square[place.get(truth, last)][place.get(predicted, last)] += n
    return labels, square
