"""A view as HTML that needs nothing around it.

Only elements with inline styles and a little SVG: no script, no style sheet, no outside file, so a
notebook keeps its looks when it is exported, opened in VS Code or shown by a site that strips
``<style>``. Text takes the page's own colour and lines are half-transparent grey, so light and dark
pages both work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from astermind_lab.display.curve import curve_html
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

__all__ = ["html"]

_MOST_ROWS = 30
_MOST_COLUMNS = 12
_MOST_BARS = 20
_MOST_LABELS = 20
_MOST_NOTES = 10
_CELL = 160

_RIGHT = "59,130,246"  # blue and orange: told apart by every kind of colour vision
_WRONG = "217,119,6"
_LINE = "rgba(128,128,128,.35)"
_FAINT = "opacity:.7"


def html(view: View) -> str:
    """The view as one ``<div>``; its size is bounded whatever the view holds."""
    parts = "".join(_part(part) for part in view.parts)
    notes = "".join(_note(note) for note in view.notes[:_MOST_NOTES])
    return (
        '<div style="font-size:13px;line-height:1.45;max-width:960px;overflow-x:auto;'
        f'padding:2px 0 6px">{_title(view.title)}{_facts(view.facts)}{parts}{notes}</div>'
    )


def _text(value: str, limit: int = _CELL) -> str:
    return escape(clip(value, limit))


def _title(title: str) -> str:
    return f'<div style="font-weight:600;font-size:14px;margin:0 0 4px">{_text(title)}</div>'


def _caption(caption: str) -> str:
    if not caption:
        return ""
    return f'<div style="{_FAINT};margin:8px 0 2px">{_text(caption)}</div>'


def _note(note: str) -> str:
    style = f"border-left:3px solid rgb({_WRONG});padding:1px 0 1px 8px;margin:6px 0 0"
    return f'<div style="{style}">{_text(note, 400)}</div>'


def _facts(facts: Sequence[Fact]) -> str:
    if not facts:
        return ""
    name = f"{_FAINT};padding:0 14px 0 0;text-align:left;vertical-align:top;white-space:nowrap"
    rows = "".join(
        f'{_tr()}<td style="{_bare(name)}">{_text(item.name)}</td>'
        f'<td style="{_bare("padding:0;text-align:left")}">{escape(fact(item, _CELL))}</td></tr>'
        for item in facts
    )
    return f'<table style="{_table()};margin-bottom:4px"><tbody>{rows}</tbody></table>'


def _table() -> str:
    return "border-collapse:collapse;border:0;margin:0;font-size:13px;color:inherit"


def _tr(style: str = "") -> str:
    # Notebooks paint every second row: say that this one is not painted.
    return f'<tr style="background:transparent{style}">'


def _bare(style: str) -> str:
    return f"border:0;background:transparent;{style}"


def _part(part: Part) -> str:
    match part:
        case Table():
            return _grid(part)
        case Bars():
            return _bars(part)
        case Interval():
            return _interval(part)
        case HeatMap():
            return _heat_map(part)
        case Curve():
            return curve_html(part)


def _grid(table: Table) -> str:
    columns = list(table.columns[:_MOST_COLUMNS])
    rows = [list(row[:_MOST_COLUMNS]) for row in table.rows[:_MOST_ROWS]]
    numeric = [_is_numeric(rows, i) for i in range(len(columns))]
    head = "".join(
        f'<th style="{_cell_style(right)};font-weight:600;border-bottom:1px solid {_LINE}">'
        f"{_text(column)}</th>"
        for column, right in zip(columns, numeric, strict=True)
    )
    body = "".join(
        _tr()
        + "".join(
            f'<td style="{_cell_style(right)}">{escape(cell(value, _CELL))}</td>'
            for value, right in zip(row, numeric, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'{_caption(table.caption)}<table style="{_table()}"><thead>{_tr()}{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{_left_out(len(rows), table.total or len(table.rows))}"
    )


def _left_out(shown: int, total: int) -> str:
    if total <= shown:
        return ""
    return f'<div style="{_FAINT}">… {shown:,} of {total:,} shown</div>'


def _is_numeric(rows: Sequence[Sequence[Cell]], column: int) -> bool:
    values = [row[column] for row in rows if row[column] is not None]
    return bool(values) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    )


def _cell_style(right: bool) -> str:
    side = "right;font-variant-numeric:tabular-nums" if right else "left"
    return _bare(f"padding:2px 14px 2px 0;vertical-align:top;text-align:{side}")


def _bars(bars: Bars) -> str:
    rows = "".join(_bar(label, value) for label, value in bars.items[:_MOST_BARS])
    return (
        f'{_caption(bars.caption)}<table style="{_table()}"><tbody>{rows}</tbody></table>'
        f"{_left_out(min(len(bars.items), _MOST_BARS), len(bars.items))}"
    )


def _bar(label: str, value: float) -> str:
    width = 200 * _inside(value)
    name = _bare("padding:1px 12px 1px 0;text-align:left;white-space:nowrap")
    figure = _bare("padding:1px 0 1px 10px;text-align:right;font-variant-numeric:tabular-nums")
    drawing = (
        '<svg width="200" height="10" role="img" aria-hidden="true" style="vertical-align:middle">'
        f'<rect width="200" height="10" rx="2" fill="{_LINE}" fill-opacity=".5"/>'
        f'<rect width="{width:.1f}" height="10" rx="2" fill="rgb({_RIGHT})"/></svg>'
    )
    return (
        f'{_tr()}<td style="{name}">{_text(label, 60)}</td>'
        f'<td style="{_bare("padding:1px 0")}">{drawing}</td>'
        f'<td style="{figure}">{share(value)}</td></tr>'
    )


def _inside(value: float) -> float:
    return min(1.0, max(0.0, value)) if value == value else 0.0


def _interval(interval: Interval) -> str:
    """A number line with the interval on it, from 0, 50 or 90 % to 100 %, so that it is visible."""
    start = max(mark for mark in (0.0, 0.5, 0.9) if mark <= max(0.0, interval.low))
    low, value, high = (
        200 * _inside((v - start) / (1 - start))
        for v in (interval.low, interval.value, interval.high)
    )
    words = f"{share(interval.low)} to {share(interval.high)}"
    drawing = (
        f'<svg width="292" height="16" viewBox="-44 0 292 16" role="img" '
        f'aria-label="{_text(interval.name)} {share(interval.value)}, {words}" '
        f'style="vertical-align:middle;font-size:10px">'
        f"{_mark(-6, 'end', start)}{_mark(206, 'start', 1)}"
        f'<line x1="0" y1="8" x2="200" y2="8" stroke="{_LINE}" stroke-width="2"/>'
        f'<line x1="{low:.1f}" y1="8" x2="{max(high, low + 1):.1f}" y2="8" '
        f'stroke="rgb({_RIGHT})" stroke-opacity=".55" stroke-width="8"/>'
        f'<circle cx="{value:.1f}" cy="8" r="4" fill="rgb({_RIGHT})" '
        'stroke="currentColor" stroke-width="1"/></svg>'
    )
    return (
        f'<div style="margin:4px 0"><span style="{_FAINT}">{_text(interval.name)}</span> '
        f"<b>{share(interval.value)}</b>{drawing}"
        f'<span style="{_FAINT}">{words} · {_text(interval.basis)}</span></div>'
    )


def _mark(x: int, anchor: str, value: float) -> str:
    return (
        f'<text x="{x}" y="11.5" text-anchor="{anchor}" fill="currentColor" fill-opacity=".7">'
        f"{100 * value:.0f} %</text>"
    )


def _heat_map(heat_map: HeatMap) -> str:
    labels, square = fold(heat_map, _MOST_LABELS)
    head = "".join(
        f'<th title="{_text(label)}" style="{_bare("padding:2px 6px;font-weight:400")};'
        f'text-align:right;vertical-align:bottom">{_text(label, 12)}</th>'
        for label in labels
    )
    body = "".join(
        f"{_tr(';text-align:right;font-variant-numeric:tabular-nums')}"
        f'<th title="{_text(label)}" style="{_bare("padding:2px 10px 2px 0")};'
        f'font-weight:400;text-align:right;white-space:nowrap">{_text(label, 24)}</th>'
        + "".join(_count(n, sum(row), i == j) for j, n in enumerate(row))
        + "</tr>"
        for i, (label, row) in enumerate(zip(labels, square, strict=True))
    )
    style = _bare(
        f"{_FAINT};padding:2px 10px 2px 0;font-weight:400;text-align:right;white-space:nowrap"
    )
    corner = f'<th style="{style}">'
    return (
        f'{_caption(heat_map.caption)}<table style="{_table()}"><thead>{_tr()}'
        f"{corner}truth ↓ predicted →</th>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _count(n: int, row_sum: int, right: bool) -> str:
    """One cell, the darker the larger its part of its row; blue where truth and answer agree."""
    strength = n / row_sum if row_sum else 0.0
    hue = _RIGHT if right else _WRONG
    colour = f"rgba({hue},{0.1 + 0.5 * math.sqrt(strength):.2f})" if n else "transparent"
    figure = f"{n:,}" if n else "·"
    return (
        f'<td style="border:1px solid {_LINE};background:{colour};padding:2px 8px;'
        f'text-align:right">{figure}</td>'
    )
