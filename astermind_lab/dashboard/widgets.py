"""Widgets as all pages have them: readable in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn

__all__ = ["choice", "select"]

_SELECT = """
:host select.bk-input { appearance: auto !important; background-image: none !important; }
"""  # or the arrow is black on black
_CHOICE = """
:host .bk-btn { color: var(--am-text) !important; background: none !important; }
:host .bk-btn.bk-active {
  color: var(--am-surface) !important; background: var(--am-right) !important;
  box-shadow: none !important;
}
"""


def select(name: str, width: int, options: Sequence[str] = ()) -> Any:
    """A list to choose from."""
    return pn.widgets.Select(label=name, width=width, options=list(options), stylesheets=[_SELECT])


def choice(options: Sequence[str]) -> Any:
    """A few buttons, one of which is chosen; the first one, to begin with."""
    return pn.widgets.RadioButtonGroup(
        options=list(options), value=options[0], stylesheets=[_CHOICE], margin=(4, 5, 6, 5)
    )
