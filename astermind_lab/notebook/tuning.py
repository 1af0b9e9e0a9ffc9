"""The tuning widget: move a slider and see what leave-one-out says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from astermind_lab.notebook.widget import ServiceWidget, script, style
from astermind_lab.results import Result

__all__ = ["TuningWidget"]


class TuningWidget(ServiceWidget):
    """``lab.tune(…)`` as a widget."""

    _esm = script("tuning")
    _css = style()

    actions: ClassVar[Mapping[str, frozenset[str]]] = {
        "set": frozenset({"units", "activation", "ridge", "balance"}),
        "train": frozenset({"model_id"}),
    }

    def told(self, outcome: Result) -> str:
        return f"Trained {outcome.short()}."
