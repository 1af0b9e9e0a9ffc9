"""The exploring widget: type a text and see what the model makes of it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from astermind_lab.notebook.widget import ServiceWidget, script, style

__all__ = ["ExploringWidget"]


class ExploringWidget(ServiceWidget):
    """``lab.explore(…)`` as a widget."""

    _esm = script("exploring")
    _css = style()

    actions: ClassVar[Mapping[str, frozenset[str]]] = {"ask": frozenset({"text"})}
