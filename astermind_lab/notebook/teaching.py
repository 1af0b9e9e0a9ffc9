"""The teaching widget: a text, a key, and the model has learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.notebook.widget import ServiceWidget, script, style
from astermind_lab.results import Result, TaughtExamples

__all__ = ["TeachingWidget"]


class TeachingWidget(ServiceWidget):
    """``lab.teach(…)`` as a widget.

    Each message says which text its key was pressed for: if Python code has moved on to another
    one, the label is refused instead of being given to a text that nobody saw.
    """

    _esm = script("teaching")
    _css = style()

    actions: ClassVar[Mapping[str, frozenset[str]]] = {
        "give": frozenset({"label"}),
        "accept": frozenset(),
        "skip": frozenset(),
        "undo": frozenset(),
        "retrain": frozenset(),
        "save": frozenset({"dataset_id"}),
        "apply": frozenset(),
    }

    def act(self, message: Mapping[str, Any]) -> str:
        rest = dict(message)
        seen = rest.pop("text", None)
        task = self.service.state()["task"]
        if seen is not None and (task is None or task["text"] != seen):
            raise InvalidInput("text", "another one came up before this key; nothing was changed")
        return super().act(rest)

    def told(self, outcome: Result) -> str:
        if isinstance(outcome, TaughtExamples):
            where = f"data set {shown(outcome.dataset_id)}, version {shown(outcome.version)}"
            return f"Saved {outcome.n:,} labels: {where} of {shown(outcome.model_id)}."
        return f"In use now: {outcome.short()}."
