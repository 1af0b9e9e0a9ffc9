"""Tables of the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import panel as pn
from bokeh.models.widgets.tables import NumberFormatter

from astermind_lab.dashboard.words import percent

__all__ = ["PredictionTable", "fill", "number", "table"]

_LONGEST_TEXT = 400
_HEAD, _ROW = 34, 28  # heights, in pixels
_LOOK = """
:host .tabulator, :host .tabulator .tabulator-header, :host .tabulator .tabulator-header-contents,
:host .tabulator .tabulator-header .tabulator-col, :host .tabulator .tabulator-tableholder,
:host .tabulator .tabulator-table, :host .tabulator-row, :host .tabulator-row.tabulator-row-even {
  background: transparent !important; color: var(--am-text) !important;
  border-color: var(--am-line) !important;
}
:host .tabulator-row:hover {
  background: color-mix(in srgb, var(--am-right) 12%, transparent) !important;
}
:host .tabulator { font-size: 13px; border: 0; }
:host .tabulator .tabulator-header { border-bottom: 1px solid var(--am-line); font-weight: 600; }
:host .tabulator .tabulator-header .tabulator-col, :host .tabulator-row .tabulator-cell {
  border-right: 0 !important;
}
:host .tabulator-row { border-bottom: 1px solid var(--am-line) !important; }
:host .tabulator .tabulator-placeholder .tabulator-placeholder-contents {
  color: var(--am-quiet); font-weight: 400; font-size: 13px;
}
"""


def table(columns: Mapping[str, str], widths: Mapping[str, int | str], **options: Any) -> Any:
    """An empty table that can only be read; where the page is too narrow for it, it scrolls.

    columns : field → heading     widths : field → pixels
    """
    usual: dict[str, Any] = {
        "value": pd.DataFrame({name: pd.Series(dtype=object) for name in columns}),
        "titles": dict(columns),
        "widths": dict(widths),
        "show_index": False,
        "disabled": True,
        "selectable": False,
        "sizing_mode": "stretch_width",
        "layout": "fit_data_fill",
        "margin": 0,
        "stylesheets": [_LOOK],
        "configuration": {
            "placeholder": "Nothing to show.",
            "columnDefaults": {"tooltip": True, "minWidth": 60},
        },
    }
    return pn.widgets.Tabulator(**(usual | options))


def number(form: str) -> Any:
    """How a column of numbers is written."""
    return NumberFormatter(format=form, text_align="right", nan_format="–")


def fill(shown: Any, rows: Sequence[Mapping[str, Any]], most: int = 12) -> None:
    """Show these rows; the table is as high as they are, up to ``most`` of them."""
    columns = list(shown.titles)
    shown.height = _HEAD + _ROW * min(max(len(rows), 1), most)
    shown.value = pd.DataFrame(rows, columns=columns)


class PredictionTable:
    """Predictions, the newest first."""

    def __init__(self, most: int = 14) -> None:
        self._most = most
        self.panel = table(
            {
                "time": "time (UTC)",
                "text": "text",
                "answer": "answer",
                "confidence": "confidence",
                "truth": "truth",
                "version": "version",
            },
            {
                "time": 130,
                "text": 640,
                "answer": 140,
                "confidence": 105,
                "truth": 160,
                "version": 110,
            },
        )

    def send(self, predictions: Sequence[Any]) -> None:
        """Show these."""
        rows = [
            {
                "time": f"{one.timestamp:%m-%d %H:%M:%S}",
                "text": _short(one.input),
                "answer": one.prediction,
                "confidence": percent(one.confidence),
                "truth": _truth(one),
                "version": one.version or "",
            }
            for one in predictions
        ]
        fill(self.panel, rows, self._most)


def _short(text: str | None) -> str:
    if text is None:
        return "(text not kept)"
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _truth(one: Any) -> str:
    if one.ground_truth is None:
        return ""
    return "✓" if one.ground_truth == one.prediction else f"✗ {one.ground_truth}"
