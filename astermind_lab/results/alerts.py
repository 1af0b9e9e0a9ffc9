"""Monitors, alerts and retention, as clients read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from astermind_lab.display import Fact, Table, View
from astermind_lab.results.base import Result
from astermind_lab.results.drift import DetectorFinding, finding_table

__all__ = [
    "AlertItem",
    "AlertList",
    "DeletedMonitor",
    "MonitorEvaluation",
    "MonitorItem",
    "MonitorList",
    "MonitoredModel",
    "MonitoredModels",
    "RetentionReport",
]


@dataclass(frozen=True, repr=False, kw_only=True)
class MonitorItem(Result):
    """A monitor. baseline : a fixed window, or a duration that ends where the window begins"""

    monitor_id: str
    model_id: str
    version: str | None
    detectors: Sequence[str]
    baseline: Mapping[str, Any]
    window: str
    schedule: str
    thresholds: Mapping[str, float]
    alpha: float
    webhook: str | None
    enabled: bool
    created_at: datetime
    next_run: datetime | None
    last_run: datetime | None
    last_status: str | None

    def short(self) -> str:
        return f"{self.monitor_id!r} of {self.model_id!r}, {self.schedule}"

    def view(self) -> View:
        facts = [
            Fact("model", self.model_id),
            Fact("detectors", list(self.detectors)),
            Fact("baseline", ", ".join(f"{k} {v}" for k, v in self.baseline.items())),
            Fact("window", self.window),
            Fact("schedule (UTC)", self.schedule),
            Fact("next run", self.next_run, "UTC"),
            Fact("last run", self.last_run, "UTC"),
            Fact("last status", self.last_status),
        ]
        return View(f"Monitor {self.monitor_id}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class MonitorList(Result):
    """The monitors."""

    monitors: Sequence[MonitorItem]

    def short(self) -> str:
        return f"{len(self.monitors):,} monitors"

    def view(self) -> View:
        rows = [
            (m.monitor_id, m.model_id, m.detectors, m.window, m.schedule, m.next_run, m.last_status)
            for m in self.monitors
        ]
        if not rows:
            return View("No monitors", notes=["create_monitor makes one."])
        columns = ("monitor", "model", "detectors", "window", "schedule", "next run", "last status")
        return View("Monitors", parts=[Table(columns, rows)])


@dataclass(frozen=True, repr=False, kw_only=True)
class DeletedMonitor(Result):
    """A monitor that is no more; its alerts stay."""

    success: bool = True
    monitor_id: str

    def short(self) -> str:
        return repr(self.monitor_id)

    def view(self) -> View:
        return View(f"Deleted the monitor {self.monitor_id}")


@dataclass(frozen=True, repr=False, kw_only=True)
class AlertItem(Result):
    """A finding of a monitor.

    status : open, acknowledged, muted or resolved     times : how many evaluations have seen it
    """

    alert_id: str
    monitor_id: str
    model_id: str
    detector: str
    status: str
    message: str
    opened_at: datetime
    last_seen: datetime
    times: int
    note: str | None
    muted_until: datetime | None
    closed_at: datetime | None
    finding: Mapping[str, Any]

    def short(self) -> str:
        return f"{self.alert_id!r}, {self.status}, {self.detector} of {self.model_id!r}"

    def view(self) -> View:
        facts = [
            Fact("status", self.status),
            Fact("monitor", self.monitor_id),
            Fact("seen first", self.opened_at, "UTC"),
            Fact("seen last", self.last_seen, "UTC"),
            Fact("times", self.times),
            *([Fact("note", self.note)] if self.note else []),
            *([Fact("muted until", self.muted_until, "UTC")] if self.muted_until else []),
        ]
        return View(f"Alert {self.alert_id}", facts, notes=[self.message])


@dataclass(frozen=True, repr=False, kw_only=True)
class AlertList(Result):
    """Alerts, the latest first."""

    alerts: Sequence[AlertItem]

    def short(self) -> str:
        return f"{len(self.alerts):,} alerts"

    def view(self) -> View:
        if not self.alerts:
            return View("No alerts")
        rows = [(a.alert_id, a.status, a.last_seen, a.times, a.message) for a in self.alerts]
        columns = ("alert", "status", "last seen (UTC)", "times", "")
        return View("Alerts", parts=[Table(columns, rows)])


@dataclass(frozen=True, repr=False, kw_only=True)
class MonitorEvaluation(Result):
    """What a monitor said just now. status : ok, drift or insufficient_data"""

    monitor_id: str
    model_id: str
    at: datetime
    status: str
    detectors: Sequence[DetectorFinding]
    alerts: Sequence[AlertItem]

    def short(self) -> str:
        return f"{self.monitor_id!r}, {self.status}, {len(self.alerts):,} alerts"

    def view(self) -> View:
        facts = [Fact("at", self.at, "UTC"), Fact("status", self.status)]
        notes = [one.message for one in self.alerts]
        return View(f"Monitor {self.monitor_id}", facts, [finding_table(self.detectors)], notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class MonitoredModel(Result):
    """A model whose predictions are logged.

    first_day, last_day : the first and the last day with a prediction
    """

    model_id: str
    predictions: int
    truths: int
    first_day: datetime | None
    last_day: datetime | None

    def short(self) -> str:
        return f"{self.model_id!r}, {self.predictions:,} predictions"

    def view(self) -> View:
        return View(self.short())


@dataclass(frozen=True, repr=False, kw_only=True)
class MonitoredModels(Result):
    """Models whose predictions are logged, also such of elsewhere."""

    models: Sequence[MonitoredModel]

    def short(self) -> str:
        return f"{len(self.models):,} models"

    def view(self) -> View:
        rows = [(m.model_id, m.predictions, m.truths, m.last_day) for m in self.models]
        if not rows:
            return View("No prediction has been logged")
        columns = ("model", "predictions", "with a truth", "last day")
        return View("Models with logged predictions", parts=[Table(columns, rows)])


@dataclass(frozen=True, repr=False, kw_only=True)
class RetentionReport(Result):
    """What was removed because it had been kept long enough, or would be.

    predictions : by model     metrics : hours and days of tallies     versions : [model, version]
    """

    dry_run: bool
    predictions_before: datetime | None
    metrics_before: datetime | None
    predictions: Mapping[str, int]
    metrics: int
    versions: Sequence[Sequence[str]]
    notes: Sequence[str]

    def short(self) -> str:
        verb = "would remove" if self.dry_run else "removed"
        n = sum(self.predictions.values())
        return f"{verb} {n:,} predictions, {len(self.versions):,} versions"

    def view(self) -> View:
        facts = [
            Fact("predictions before", self.predictions_before, "UTC"),
            Fact("predictions", sum(self.predictions.values())),
            Fact("metrics before", self.metrics_before, "UTC"),
            Fact("hours and days of metrics", self.metrics),
            Fact("model versions", [f"{m} {v}" for m, v in self.versions]),
        ]
        rows = list(self.predictions.items())
        parts = [Table(("model", "predictions"), rows)] if rows else []
        title = "Would be removed" if self.dry_run else "Removed"
        return View(title, facts, parts, self.notes)
