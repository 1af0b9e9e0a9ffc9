"""Drift over time, and the texts behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from astermind_lab.display import Curve, Fact, Share, Table, View
from astermind_lab.display.words import number
from astermind_lab.results.base import Result
from astermind_lab.results.drift import DetectorFinding, finding_table
from astermind_lab.results.recording import TimeRange

__all__ = ["DriftPoint", "DriftSeries", "DriftedText", "DriftedTexts"]


@dataclass(frozen=True, repr=False, kw_only=True)
class DriftPoint(Result):
    """One step against the baseline. start : its beginning     drifted : detectors that say so"""

    start: datetime
    total_predictions: int
    drifted: Sequence[str]
    detectors: Sequence[DetectorFinding]

    def short(self) -> str:
        said = ", ".join(self.drifted) if self.drifted else "no drift"
        return f"{self.start:%Y-%m-%d %H:%M}, {said}"

    def view(self) -> View:
        return View(self.short(), parts=[finding_table(self.detectors)])


@dataclass(frozen=True, repr=False, kw_only=True)
class DriftSeries(Result):
    """What each detector says of each step; steps without a prediction are left out.

    threshold : of the labels, in nats     alpha : how often any detector may be wrong at a step
    """

    _optional = frozenset({"warnings"})

    model_id: str
    baseline_window: TimeRange
    time_range: TimeRange
    step: str
    threshold: float
    alpha: float
    baseline_sample_count: int
    points: Sequence[DriftPoint]
    warnings: Sequence[str] = ()

    def short(self) -> str:
        drifted = sum(bool(point.drifted) for point in self.points)
        return f"{self.model_id!r}, drift in {drifted:,} of {len(self.points):,} steps"

    def view(self) -> View:
        facts = [
            Fact("baseline (UTC)", str(self.baseline_window)),
            Fact("window (UTC)", str(self.time_range)),
            Fact("predictions then", self.baseline_sample_count),
        ]
        title = f"Drift of {self.model_id}, per {self.step}"
        if not self.points:
            return View(title, facts, notes=["No prediction was logged in this window."])
        curves = [Curve(name, points, share=False) for name, points in self._curves().items()]
        seen = [c for c in curves if any(value is not None for _, value, *_ in c.points)]
        rows = [(one.start, one.total_predictions, one.drifted) for one in self.points]
        drifted = [row for row in rows if row[2]]
        tables = [Table(("step (UTC)", "predictions", "drifted"), drifted)] if drifted else []
        return View(title, facts, [*seen, *tables], self.warnings)

    def _curves(self) -> dict[str, list[tuple[str, float | None, float | None, float | None]]]:
        """The statistic of each detector by step."""
        form = "%Y-%m-%d" if self.step == "day" else "%Y-%m-%d %H:%M"
        found: dict[str, list[tuple[str, float | None, float | None, float | None]]] = {}
        for point in self.points:
            for one in point.detectors:
                at = point.start.strftime(form)
                found.setdefault(one.detector, []).append((at, one.statistic, None, None))
        return found


@dataclass(frozen=True, repr=False, kw_only=True)
class DriftedText(Result):
    """A prediction of the current window, and how much it speaks for it against the baseline.

    score : logarithm of how many times more probable it is there     input : None if not kept
    """

    prediction_id: str
    timestamp: datetime
    input: str | None
    prediction: str
    confidence: float
    score: float

    def short(self) -> str:
        return f"{self.prediction!r}, score {number(self.score)}"

    def view(self) -> View:
        facts = [Fact("text", self.input), Fact("at", self.timestamp, "UTC")]
        return View(self.short(), facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class DriftedTexts(Result):
    """The texts that speak most for the current window against the baseline, these first.

    method : "discriminant" (of the drift features), "labels" (whose share rose most), or None
    searched : predictions of the current window that were looked at
    """

    model_id: str
    baseline_window: TimeRange
    current_window: TimeRange
    status: str
    method: str | None
    texts: Sequence[DriftedText]
    searched: int
    note: str

    def short(self) -> str:
        if self.status != "ok":
            return f"{self.model_id!r}, too little data"
        return f"{self.model_id!r}, {len(self.texts):,} texts by {self.method}"

    def view(self) -> View:
        facts = [
            Fact("then (UTC)", str(self.baseline_window)),
            Fact("now (UTC)", str(self.current_window)),
            Fact("predictions looked at", self.searched),
        ]
        title = f"Texts of {self.model_id} that moved most"
        rows = [
            (one.score, one.input, one.prediction, Share(one.confidence), one.timestamp)
            for one in self.texts
        ]
        columns = ("score", "text", "prediction", "confidence", "at (UTC)")
        parts = [Table(columns, rows)] if rows else []
        return View(title, facts, parts, [self.note] if self.note else [])
