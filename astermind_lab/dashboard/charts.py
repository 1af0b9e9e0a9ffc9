"""Charts of the pages that change now and then, drawn with HoloViews.

A chart keeps one ``Pipe``: new data go through it, and only the data travel to the browser. What
changes every moment is drawn by ``timelines``.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import holoviews as hv
import panel as pn
from bokeh.events import Tap

from astermind_lab.dashboard.theme import Palette

__all__ = ["Chart", "Grid", "Heat", "plot"]

hv.extension("bokeh", logo=False)
hv.renderer("bokeh").webgl = False  # these drawings are small, and a page has several
hv.render(hv.HeatMap([("a", "a", 1)]))  # what HoloViews puts off until it draws, no page waits for

_FEW = 15  # rows or columns up to which the figures are written into the cells
_MOST_NAMES = 25  # columns up to which their names are written


class Chart:
    """A drawing that follows its data.

    draw : data → a HoloViews element, always of the same kind     height : in pixels
    """

    def __init__(self, draw: Callable[[Any], Any], empty: Any, height: int) -> None:
        self._draw = draw
        self._pipe = hv.streams.Pipe(data=draw(empty))
        self.map = hv.DynamicMap(lambda data: data, streams=[self._pipe])
        self.panel = pn.pane.HoloViews(
            self.map, sizing_mode="stretch_width", height=height, margin=0, linked_axes=False
        )

    def send(self, data: Any) -> None:
        """Draw something new."""
        self._pipe.send(self._draw(data))  # what cannot be drawn fails here, not in the page


def plot(element: Any, height: int, **options: Any) -> Any:
    """The element with the looks that all charts share."""
    usual: dict[str, Any] = {
        "responsive": True,
        "height": height,
        "toolbar": None,
        "default_tools": [],
        "active_tools": [],
        "show_title": False,
        "framewise": True,
    }
    return element.opts(**(usual | options))


@dataclass(frozen=True)
class Grid:
    """What a heat map draws. value : in [-1, 1]; below 0 is wrong, above is right

    cells : (column, row, value, what is written there, what the tip says)
    """

    columns: Sequence[str]
    rows: Sequence[str]
    cells: Sequence[tuple[str, str, float, str, str]]


class Heat:
    """A heat map whose cells can be clicked.

    on_cell : hears (column, row)
    """

    def __init__(self, look: Palette, height: int, columns: str, rows: str) -> None:
        self.on_cell: Callable[[str, str], None] = lambda column, row: None
        self._look, self._height = look, height
        self._figure: Any = None
        # HoloViews keeps options for ever: nothing of a page may hang on them.
        self._hook = partial(_drawn, weakref.ref(self))
        self._columns, self._rows = columns, rows
        self._chart = Chart(self._draw, Grid(["–"], ["–"], []), height)
        self.panel = self._chart.panel

    def send(self, grid: Grid) -> None:
        """Draw other cells."""
        self._chart.send(grid)

    def listen(self, drawn: Any) -> None:
        """Hear the clicks of a figure, once."""
        if drawn is not self._figure:
            self._figure = drawn
            self._figure.on_event(Tap, self._tapped)

    def _tapped(self, event: Any) -> None:
        """Names stand at whole numbers and a half."""
        columns, rows = (r.factors for r in (self._figure.x_range, self._figure.y_range))
        x, y = math.floor(event.x), math.floor(event.y)
        if 0 <= x < len(columns) and 0 <= y < len(rows):
            self.on_cell(columns[x], rows[y])

    def _draw(self, grid: Grid) -> Any:
        look = self._look
        dims = [
            hv.Dimension("x", values=list(grid.columns)),
            hv.Dimension("y", values=list(grid.rows)[::-1]),
        ]
        heat = hv.HeatMap(list(grid.cells), dims, ["value", "written", "tip"])
        heat = plot(
            heat,
            self._height,
            cmap=_shades(look),
            clim=(-1, 1),
            tools=["hover"],
            hover_tooltips=[("", "@tip")],
            hooks=[self._hook],
            xaxis="top" if len(grid.columns) <= _MOST_NAMES else "bare",
            xlabel=self._columns,
            ylabel=self._rows,
            xrotation=0 if len(grid.columns) <= 6 else 90,
            line_color=look.surface,
            line_width=1,
        )
        small = max(len(grid.columns), len(grid.rows)) <= _FEW
        written = [(x, y, said) for x, y, _, said, _ in grid.cells] if small else []
        labels = hv.Labels(written, ["x", "y"], "written")
        return heat * labels.opts(text_color=look.text, text_font_size="8.5pt")


def _drawn(heat: weakref.ref[Heat], plot: Any, _: Any) -> None:
    """What HoloViews calls whenever it has drawn."""
    found = heat()
    if found is not None:
        found.listen(plot.state)


def _shades(look: Palette, steps: int = 32) -> list[str]:
    """From wrong over the surface to right."""
    wrong, middle, right = (_rgb(colour) for colour in (look.wrong, look.surface, look.right))
    falling = [_mixed(middle, wrong, 0.85 * place / steps) for place in range(steps, 0, -1)]
    rising = [_mixed(middle, right, 0.85 * place / steps) for place in range(1, steps + 1)]
    return [*falling, _mixed(middle, middle, 0), *rising]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mixed(one: tuple[int, int, int], other: tuple[int, int, int], share: float) -> str:
    parts = (round(a + share * (b - a)) for a, b in zip(one, other, strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)
