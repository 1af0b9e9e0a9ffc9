"""Figures over time, drawn with Bokeh.

These are the charts that change every moment, in every open page. A chart is made once, and then
only the numbers of its source travel; see ADR 0006 for what that saves over drawing it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

import pandas as pd
import panel as pn
from bokeh.models import ColumnDataSource, DatetimeTicker, HoverTool, Range1d
from bokeh.plotting import figure

from astermind_lab.dashboard.theme import Palette

__all__ = ["Stack", "Timeline", "legend"]

_DOT = 5


class Timeline:
    """Lines and bands over one axis of time (UTC).

    unit : of the upright axis     top : its end, where it is fixed
    zero : whether it begins at 0     floor : where it begins, for a logarithmic one
    """

    def __init__(
        self,
        look: Palette,
        unit: str,
        height: int = 190,
        *,
        top: float | None = None,
        zero: bool = True,
        floor: float | None = None,
    ) -> None:
        self._sources: list[tuple[ColumnDataSource, Sequence[str]]] = []
        self.figure = _figure(look, unit, height, "linear" if floor is None else "log")
        ranges = self.figure.y_range
        if zero:
            ranges.start = floor or 0
        if top is not None:
            ranges.end = top
        self.panel = pn.pane.Bokeh(
            self.figure, sizing_mode="stretch_width", height=height, margin=0
        )

    def line(self, column: str, colour: str, tip: str = "", **options: Any) -> None:
        """A line through a column; gaps stay gaps, and what stands alone is a dot."""
        source = self._source([column, f"{column} alone"])
        drawn = self.figure.line(
            "time", column, source=source, color=colour, line_width=2, **options
        )
        self.figure.scatter("time", f"{column} alone", source=source, color=colour, size=_DOT)
        if tip:
            hover = HoverTool(
                renderers=[drawn],
                tooltips=[("", "@time{%F %T} UTC"), ("", tip)],
                formatters={"@time": "datetime"},
                mode="vline",
                line_policy="nearest",
            )
            self.figure.add_tools(hover)

    def band(self, low: str, high: str, colour: str, alpha: float) -> None:
        """What lies between two columns."""
        source = self._source([low, high])
        self.figure.varea("time", low, high, source=source, fill_color=colour, fill_alpha=alpha)

    def send(self, table: pd.DataFrame) -> None:
        """Draw other numbers. table : by time (naive, UTC)"""
        _reach(self.figure, table)
        for source, columns in self._sources:
            some = _with_alone(table, columns)
            data: dict[str, Any] = {"time": some.index.to_numpy()}
            source.data = data | {name: some[name].to_numpy(dtype=float) for name in columns}

    def _source(self, columns: Sequence[str]) -> ColumnDataSource:
        source = ColumnDataSource({name: [] for name in ("time", *columns)})
        self._sources.append((source, columns))
        return source


class Stack:
    """Percentages over time, one above the other; the layers can change their names."""

    def __init__(self, look: Palette, height: int, layers: int) -> None:
        self._look = look
        self._names = [f"l{place}" for place in range(layers + 1)]
        self._source = ColumnDataSource({name: [] for name in ("time", *self._names)})
        self.figure = _figure(look, "%", height)
        self.figure.y_range.start, self.figure.y_range.end = 0, 100
        for colour, low, high in zip(look.series, self._names, self._names[1:], strict=False):
            self.figure.varea(
                "time", low, high, source=self._source, fill_color=colour, fill_alpha=0.85
            )
        self._legend = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 0, 4, 0))
        drawing = pn.pane.Bokeh(self.figure, sizing_mode="stretch_width", height=height, margin=0)
        self.panel = pn.Column(self._legend, drawing, sizing_mode="stretch_width", margin=0)

    def send(self, table: pd.DataFrame) -> None:
        """Draw other numbers. table : by time, a column for each layer from the floor up"""
        _reach(self.figure, table)
        sums = table.cumsum(axis=1)
        data: dict[str, Any] = {
            "time": table.index.to_numpy(),
            self._names[0]: 0.0 * sums.iloc[:, 0],
        }
        for place, name in enumerate(self._names[1:]):
            data[name] = sums.iloc[:, min(place, sums.shape[1] - 1)].to_numpy(dtype=float)
        self._source.data = data
        self._legend.object = legend(
            dict(zip(map(str, table.columns), self._look.series, strict=False))
        )


def legend(colours: Mapping[str, str]) -> str:
    """Names with their colours as HTML."""
    items = "".join(
        '<span style="white-space:nowrap"><span style="display:inline-block;width:10px;height:10px;'
        f'border-radius:2px;background:{colour};margin-right:5px"></span>{escape(name)}</span>'
        for name, colour in colours.items()
    )
    style = "display:flex;flex-wrap:wrap;gap:2px 12px;font-size:12px;color:var(--am-quiet)"
    return f'<div style="{style}">{items}</div>'


def _with_alone(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The columns; "… alone" holds what has no neighbour. Bands have no rows for gaps."""
    first = columns[0]
    if f"{first} alone" not in columns:
        return table[list(columns)].dropna()
    known = table[first].notna()
    alone = known & ~known.shift(1, fill_value=False) & ~known.shift(-1, fill_value=False)
    return pd.DataFrame({first: table[first], f"{first} alone": table[first].where(alone)})


def _reach(drawn: Any, table: pd.DataFrame) -> None:
    """Let the axis of time be that of the table, so that all charts of a page share it."""
    if len(table):
        margin = (table.index[-1] - table.index[0]) / 100 + pd.Timedelta(seconds=1)
        drawn.x_range.update(start=table.index[0] - margin, end=table.index[-1] + margin)


def _figure(
    look: Palette, unit: str, height: int, scale: Literal["linear", "log"] = "linear"
) -> Any:
    drawn = figure(
        min_border=4,
        y_axis_type=scale,
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        x_range=Range1d(),
        tools="",
        toolbar_location=None,
        y_axis_label=unit,
    )
    drawn.xgrid.grid_line_color = None
    drawn.ygrid.grid_line_color = look.grid
    drawn.xaxis.ticker = DatetimeTicker(desired_num_ticks=5)
    return drawn
