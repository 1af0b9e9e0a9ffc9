"""What was done while teaching, step by step, so that it can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Step", "Steps"]


@dataclass(frozen=True)
class Step:
    """Something that was done, and how to take it back.

    kind : add, relabel, keep, skip or retrain     label : that was given, None where none was
    item : that was shown     history, labels, notice : what there was before
    """

    kind: str
    item: int | None
    text: str
    label: str | None
    undo: Callable[[], None]
    history: int
    labels: tuple[str, ...]
    notice: str


class Steps:
    """The steps so far, the latest last."""

    def __init__(self) -> None:
        self._all: list[Step] = []

    def __len__(self) -> int:
        return len(self._all)

    def add(self, step: Step) -> None:
        self._all.append(step)

    def take_last(self) -> Step:
        return self._all.pop()

    @property
    def given(self) -> list[tuple[str, str]]:
        """(text, label) of each text that was given a label, in order."""
        return [(step.text, step.label) for step in self._all if step.label is not None]

    @property
    def added(self) -> list[tuple[str, str]]:
        """Those of them that are new examples."""
        return [
            (step.text, step.label)
            for step in self._all
            if step.kind == "add" and step.label is not None
        ]

    def count(self, kind: str) -> int:
        """How many steps are of a kind."""
        return sum(step.kind == kind for step in self._all)
