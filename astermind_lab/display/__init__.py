"""How results look: a ``View`` describes, ``html`` and ``plain`` draw.

A result says what there is to see (facts, tables, bars, an interval, a confusion matrix, a curve)
as a
``View``. ``html(view)`` draws it for notebooks: static, escaped, bounded in size, without script or
style sheet, readable on light and dark pages. ``plain(view)`` draws it for a terminal. Nothing here
computes or queries.
"""

from __future__ import annotations

from astermind_lab.display.html import html
from astermind_lab.display.plain import plain
from astermind_lab.display.view import Bars, Curve, Fact, HeatMap, Interval, Share, Table, View

__all__ = [
    "Bars",
    "Curve",
    "Fact",
    "HeatMap",
    "Interval",
    "Share",
    "Table",
    "View",
    "html",
    "plain",
]
