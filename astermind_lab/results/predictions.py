"""Logged predictions, listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from astermind_lab.display import Fact, Share, Table, View
from astermind_lab.display.view import Cell
from astermind_lab.results.base import Result

__all__ = ["PredictionItem", "PredictionList"]


@dataclass(frozen=True, repr=False, kw_only=True)
class PredictionItem(Result):
    """One logged prediction. input : None where texts are not kept"""

    prediction_id: str
    timestamp: datetime
    input: str | None
    prediction: str
    confidence: float
    ground_truth: str | None
    latency_ms: float | None
    version: str | None
    metadata: Mapping[str, Any]
    key: str | None

    def short(self) -> str:
        return f"{self.timestamp:%Y-%m-%d %H:%M:%S}, {self.prediction!r}"

    def row(self) -> Sequence[Cell]:
        """The prediction as a row of ``PredictionList``."""
        return (
            self.timestamp,
            self.input,
            self.prediction,
            Share(self.confidence),
            self.ground_truth,
            self.version,
        )

    def view(self) -> View:
        facts = [Fact(name, value) for name, value in zip(_COLUMNS, self.row(), strict=True)]
        if self.latency_ms is not None:
            facts.append(Fact("latency", self.latency_ms, "ms"))
        return View(f"Prediction {self.prediction}", [*facts, Fact("id", self.prediction_id)])


_COLUMNS = ("at (UTC)", "text", "prediction", "confidence", "truth", "version")


@dataclass(frozen=True, repr=False, kw_only=True)
class PredictionList(Result):
    """Logged predictions, the newest first.

    next : what to give as ``before`` for those that follow; None where there are no more
    searched_from : from which moment on the log was looked through; None is all that was asked for
    """

    model_id: str
    predictions: Sequence[PredictionItem]
    next: str | None
    searched_from: datetime | None

    def short(self) -> str:
        return f"{self.model_id!r}, {len(self.predictions):,} predictions"

    def view(self) -> View:
        rows = [one.row() for one in self.predictions]
        parts = [Table(_COLUMNS, rows)] if rows else []
        return View(f"Predictions of {self.model_id}", parts=parts, notes=self._notes())

    def _notes(self) -> list[str]:
        if self.next is None or self.searched_from is None:
            return [] if self.predictions else ["No such prediction is in the log."]
        return [
            f"Looked back to {self.searched_from:%Y-%m-%d %H:%M:%S} UTC; "
            f"go on with before={self.next}"
        ]
