"""Curves: a value over time with the band it lies in, as SVG and as a line of text."""

from __future__ import annotations

from html import escape

from astermind_lab.display.view import Curve, Share
from astermind_lab.display.words import cell, clip

__all__ = ["curve_html", "curve_plain"]

_WIDTH, _HEIGHT = 560, 90
_MOST_POINTS = 400
_COLOUR = "59,130,246"
_LEVELS = "▁▂▃▄▅▆▇█"
_MOST_SIGNS = 80


def curve_html(curve: Curve) -> str:
    """A drawing with its first and last time below, and lowest and highest value at the left."""
    points = _thinned(curve)
    low, high = _range(curve)
    step = _WIDTH / max(len(points) - 1, 1)

    def y(value: float) -> float:
        return _HEIGHT * (1 - (value - low) / (high - low))

    runs: list[list[str]] = [[]]
    upper: list[str] = []
    lower: list[str] = []
    for place, (_, value, least, most) in enumerate(points):
        x = place * step
        if value is None:
            runs.append([])
            continue
        runs[-1].append(f"{x:.1f},{y(value):.1f}")
        upper.append(f"{x:.1f},{y(value if most is None else most):.1f}")
        lower.append(f"{x:.1f},{y(value if least is None else least):.1f}")
    band = " ".join([*upper, *reversed(lower)])
    lines = "".join(
        f'<polyline points="{" ".join(run)}" fill="none" stroke="rgb({_COLOUR})" stroke-width="2"/>'
        if len(run) > 1
        else f'<circle cx="{run[0].split(",")[0]}" cy="{run[0].split(",")[1]}" r="2.5" '
        f'fill="rgb({_COLOUR})"/>'
        for run in runs
        if run
    )
    name = escape(clip(curve.name, 80))
    ends = [escape(clip(points[i][0], 40)) for i in (0, -1)] if points else ["", ""]
    text = 'fill="currentColor" fill-opacity=".7"'
    return (
        f'<div style="opacity:.7;margin:8px 0 2px">{name}</div>'
        f'<svg width="{_WIDTH + 70}" height="{_HEIGHT + 24}" '
        f'viewBox="-62 -6 {_WIDTH + 70} {_HEIGHT + 24}" role="img" aria-label="{name}" '
        'style="font-size:10px;display:block">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="rgba(128,128,128,.35)"/>'
        f'<polygon points="{band}" fill="rgb({_COLOUR})" fill-opacity=".18"/>{lines}'
        f'<text x="-6" y="4" text-anchor="end" {text}>{_figure(curve, high)}</text>'
        f'<text x="-6" y="{_HEIGHT}" text-anchor="end" {text}>{_figure(curve, low)}</text>'
        f'<text y="{_HEIGHT + 13}" {text}>{ends[0]}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + 13}" text-anchor="end" {text}>{ends[1]}</text></svg>'
    )


def curve_plain(curve: Curve) -> str:
    """One line of block signs between the first and the last time."""
    points = _thinned(curve, _MOST_SIGNS)
    low, high = _range(curve)
    signs = "".join(
        " "
        if value is None
        else _LEVELS[min(len(_LEVELS) - 1, int((value - low) / (high - low) * len(_LEVELS)))]
        for _, value, _, _ in points
    )
    ends = f"{points[0][0]} … {points[-1][0]}" if points else ""
    span = f"{_figure(curve, low)} to {_figure(curve, high)}"
    return f"{curve.name}  ({span}; {ends})\n{signs}"


def _thinned(
    curve: Curve, most: int = _MOST_POINTS
) -> list[tuple[str, float | None, float | None, float | None]]:
    """At most so many points, evenly taken, the last among them."""
    step = -(-len(curve.points) // most) if curve.points else 1
    return list(curve.points[::-1][::step][::-1])


def _range(curve: Curve) -> tuple[float, float]:
    values = [v for _, *some in curve.points for v in some if v is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low < 1e-9:
        reach = 0.05 if curve.share else max(0.5, abs(low) / 10)
        low, high = low - reach, high + reach
        return (max(0.0, low), min(1.0, high)) if curve.share else (low, high)
    return low, high


def _figure(curve: Curve, value: float) -> str:
    return cell(Share(value) if curve.share else value)
