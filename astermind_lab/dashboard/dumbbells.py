"""Two values of each of several labels, joined: what was, and what is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
from bokeh.models import ColumnDataSource, FactorRange, HoverTool
from bokeh.plotting import figure

from astermind_lab.dashboard.theme import Palette

__all__ = ["Dumbbells"]


class Dumbbells:
    """A row for each label, the first one at the top. unit : of the values"""

    def __init__(self, look: Palette, unit: str, height: int) -> None:
        self._source = ColumnDataSource({name: [] for name in ("label", "then", "now", "moved")})
        self._labels = FactorRange()
        self.figure = figure(
            height=height,
            min_border=4,
            sizing_mode="stretch_width",
            y_range=self._labels,
            x_axis_label=unit,
            tools="",
            toolbar_location=None,
        )
        self.figure.xgrid.grid_line_color = look.grid
        self.figure.ygrid.grid_line_color = None
        drawn: dict[str, Any] = {"source": self._source}
        self.figure.segment("then", "label", "now", "label", color=look.line, line_width=3, **drawn)
        self.figure.scatter("then", "label", color=look.quiet, size=9, **drawn)
        now = self.figure.scatter("now", "label", color=look.right, size=9, **drawn)
        tips = [("", "@label"), ("then", "@then{0.0}"), ("now", "@now{0.0}"), ("", "@moved")]
        self.figure.add_tools(HoverTool(renderers=[now], tooltips=tips))
        self.panel = pn.pane.Bokeh(
            self.figure, sizing_mode="stretch_width", height=height, margin=0
        )

    def send(self, rows: Sequence[tuple[str, float, float]]) -> None:
        """Draw other rows: (label, then, now)."""
        data: dict[str, Any] = {
            "label": [label for label, _, _ in rows],
            "then": [then for _, then, _ in rows],
            "now": [now for _, _, now in rows],
            "moved": [f"{now - then:+.1f} points" for _, then, now in rows],
        }
        self._labels.factors = data["label"][::-1]
        self._source.data = data
