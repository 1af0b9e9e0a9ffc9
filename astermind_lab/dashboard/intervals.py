"""Shares with their intervals, one above the other on one scale, as HTML with a little SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from astermind_lab.dashboard.words import percent

__all__ = ["Row", "intervals"]

_WIDTH = 260


@dataclass(frozen=True)
class Row:
    """A line of the drawing. values : (kind, estimate or None)"""

    name: str
    values: Sequence[tuple[str, Any]]


def intervals(rows: Sequence[Row], hues: Mapping[str, str]) -> str:
    """The drawing. hues : kind → colour"""
    known = [one for row in rows for _, one in row.values if one is not None]
    start = min((one.low for one in known), default=0.0)
    start = max(0.0, int(20 * start) / 20)
    lines = "".join(_line(row, hues, start) for row in rows)
    scale = (
        f'<div style="display:flex;justify-content:space-between;width:{_WIDTH}px;max-width:100%;'
        f'color:var(--am-quiet);font-size:11.5px"><span>{100 * start:.0f} %</span>'
        "<span>100 %</span></div>"
    )
    grid = "display:grid;grid-template-columns:minmax(80px,auto) 1fr;gap:6px 12px;margin-top:8px"
    return f'<div style="{grid};align-items:center">{lines}<span></span>{scale}</div>'


def _line(row: Row, hues: Mapping[str, str], start: float) -> str:
    marks, said = [], []
    for place, (kind, one) in enumerate(row.values):
        if one is None:
            continue
        y = 7 + 10 * place
        low, value, high = (_x(share, start) for share in (one.low, one.value, one.high))
        marks.append(
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{hues[kind]}" '
            f'stroke-width="2.5"/><circle cx="{value:.1f}" cy="{y}" r="4" fill="{hues[kind]}"/>'
        )
        said.append(f"{percent(one.value)} ({one.method}, n = {one.n:,})")
    height = 4 + 10 * len(row.values)
    text = escape("; ".join(said) or "not measured")
    drawing = (
        f'<svg width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(row.name)}: {text}" style="max-width:100%"><title>{text}</title>'
        f'<line x1="0" x2="{_WIDTH}" y1="{height / 2}" y2="{height / 2}" '
        f'stroke="var(--am-line)" stroke-width="1"/>{"".join(marks)}</svg>'
    )
    return f'<span style="overflow-wrap:anywhere">{escape(row.name)}</span><span>{drawing}</span>'


def _x(share: float, start: float) -> float:
    return 4 + (_WIDTH - 8) * min(1.0, max(0.0, (share - start) / max(1e-9, 1 - start)))
