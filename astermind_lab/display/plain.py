"""A view as text for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from astermind_lab.display.curve import curve_plain
from astermind_lab.display.view import (
    Bars,
    Cell,
    Curve,
    Fact,
    HeatMap,
    Interval,
    Part,
    Table,
    View,
)
from astermind_lab.display.words import cell, clip, fact, fold, share

__all__ = ["plain"]

_CELL = 60
_MOST_ROWS = 100
_MOST_BARS = 50
_MOST_LABELS = 12


def plain(view: View) -> str:
    """The view as lines without trailing space; no colour codes."""
    blocks = [_facts(view.facts), *(_part(part) for part in view.parts)]
    blocks.append("\n".join(f"note: {clip(note, 400)}" for note in view.notes))
    text = "\n\n".join([clip(view.title, 200), *(block for block in blocks if block)])
    return "\n".join(line.rstrip() for line in text.splitlines())


def _width(text: str) -> int:
    """Columns that a terminal gives the text: two for wide characters, none for marks."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    marks = sum(unicodedata.combining(c) != 0 for c in text)
    return len(text) + wide - marks


def _pad(text: str, width: int, right: bool = False) -> str:
    space = " " * max(0, width - _width(text))
    return space + text if right else text + space


def _facts(facts: Sequence[Fact]) -> str:
    width = max((_width(item.name) for item in facts), default=0)
    return "\n".join(f"{_pad(item.name, width)}  {fact(item, 100)}" for item in facts)


def _part(part: Part) -> str:
    match part:
        case Table():
            rows = [[cell(value, _CELL) for value in row] for row in part.rows[:_MOST_ROWS]]
            right = [_is_number(part.rows, i) for i in range(len(part.columns))]
            more = _left_out(len(rows), part.total or len(part.rows))
            return _captioned(part.caption, _grid(part.columns, rows, right) + more)
        case Bars():
            return _captioned(part.caption, _bars(part))
        case Interval():
            span = f"{share(part.low)} to {share(part.high)}"
            return f"{part.name} {share(part.value)}  ({span}; {part.basis})"
        case HeatMap():
            return _captioned(part.caption, _heat_map(part))
        case Curve():
            return curve_plain(part)


def _captioned(caption: str, body: str) -> str:
    return f"{caption}\n{body}" if caption else body


def _is_number(rows: Sequence[Sequence[Cell]], column: int) -> bool:
    values = [row[column] for row in rows[:_MOST_ROWS] if row[column] is not None]
    return bool(values) and all(isinstance(v, int | float) for v in values)


def _left_out(shown: int, total: int) -> str:
    return f"\n… {shown:,} of {total:,} shown" if total > shown else ""


def _grid(columns: Sequence[str], rows: list[list[str]], right: list[bool]) -> str:
    lines = [[clip(column, _CELL) for column in columns], *rows]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(columns))]
    drawn = [
        "  ".join(_pad(text, w, r) for text, w, r in zip(line, widths, right, strict=True))
        for line in lines
    ]
    drawn.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(drawn)


def _bars(bars: Bars) -> str:
    shown = [(clip(label, 40), value) for label, value in bars.items[:_MOST_BARS]]
    width = max((_width(label) for label, _ in shown), default=0)
    lines = [
        f"{_pad(label, width)}  {share(value):>7}  {'█' * round(30 * min(1.0, max(0.0, value)))}"
        for label, value in shown
    ]
    return "\n".join(lines) + _left_out(len(shown), len(bars.items))


def _heat_map(heat_map: HeatMap) -> str:
    labels, square = fold(heat_map, _MOST_LABELS)
    columns = ["truth ↓ predicted →", *(clip(label, 12) for label in labels)]
    rows = [
        [clip(label, 24), *(f"{n:,}" if n else "·" for n in row)]
        for label, row in zip(labels, square, strict=True)
    ]
    return _grid(columns, rows, [False] + [True] * len(labels))
