"""Evaluating a monitor: the windows it compares, what the detectors say, and the alerts of that.

Detectors compare the last ``window`` with the baseline, at each evaluation anew. Accuracy is looked
at otherwise: its test may be asked as often as one likes about a stream that grows, so it gets all
predictions since the monitor was made, or since its last alert about accuracy was resolved.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift.finding import Finding
from astermind_lab.monitoring.drift.verdict import DETECTORS, THRESHOLDS, Judged, judge
from astermind_lab.persistence.monitors import Alert, Monitor

if TYPE_CHECKING:
    from astermind_lab.persistence import Store

__all__ = ["Evaluation", "evaluate", "record"]

_log = logging.getLogger(__name__)
_GROWING = ("performance",)


@dataclass(frozen=True)
class Evaluation:
    """What a monitor found at a moment."""

    monitor: Monitor
    at: datetime
    judged: list[Judged]

    @property
    def status(self) -> str:
        """ok, drift, or insufficient_data where no detector had enough."""
        if any(one.drifted for one in self.judged):
            return "drift"
        enough = any(one.finding.status == "ok" for one in self.judged)
        return "ok" if enough else "insufficient_data"


def evaluate(store: Store, monitor: Monitor, now: datetime) -> Evaluation:
    """Compare the windows of a monitor as they are now; changes nothing. Raises StoreError."""
    findings: list[Finding] = []
    windows: dict[bool, tuple[Tally, Tally]] = {}
    for name in monitor.detectors:
        growing = name in _GROWING
        if growing not in windows:
            start = _since(store, monitor, name) if growing else _window_start(monitor, now)
            windows[growing] = _read(store, monitor, start, now)
        limit = monitor.thresholds.get(name, THRESHOLDS[name])
        findings.append(DETECTORS[name](*windows[growing], threshold=limit))
    return Evaluation(monitor, now, judge(findings, monitor.alpha))


def _window_start(monitor: Monitor, now: datetime) -> datetime:
    return now - timedelta(seconds=monitor.window)


def _since(store: Store, monitor: Monitor, detector: str) -> datetime:
    closed = store.alerts.last_closed(monitor.monitor_id, detector)
    return max(monitor.created_at, closed or monitor.created_at)


def _read(store: Store, monitor: Monitor, start: datetime, now: datetime) -> tuple[Tally, Tally]:
    """Baseline and current window; a baseline without fixed ends ends where the window begins."""
    fixed = "seconds" not in monitor.baseline
    if fixed:
        span = monitor.baseline.get("start"), monitor.baseline.get("end")
    else:
        length = timedelta(seconds=monitor.baseline["seconds"])
        span = start - length, start - timedelta(microseconds=1)
    versions = None if monitor.version is None else (monitor.version,)
    both = [
        store.tallies.window(monitor.model_id, *ends, versions=versions, features=True).total
        for ends in (span, (start, now))
    ]
    return both[0], both[1]


def record(
    store: Store, evaluation: Evaluation, tell: Callable[[Monitor, Alert], None]
) -> list[Alert]:
    """Keep what an evaluation found: in the monitor, and as alerts, of which the new are told.

    tell : called with each alert that somebody should hear of. Returns the alerts of the findings.
    """
    monitor = evaluation.monitor
    alerts = []
    for one in evaluation.judged:
        if not one.drifted:
            continue
        alert, is_news = store.alerts.see(_alert(evaluation, one))
        alerts.append(alert)
        if is_news:
            tell(monitor, alert)
    store.monitors.note(monitor.monitor_id, _summary(evaluation))
    return alerts


def _alert(evaluation: Evaluation, one: Judged) -> Alert:
    monitor, found = evaluation.monitor, one.finding
    note = f" {found.note}." if found.note else ""
    return Alert(
        alert_id=uuid.uuid4().hex[:12],
        monitor_id=monitor.monitor_id,
        model_id=monitor.model_id,
        detector=found.detector,
        status="open",
        message=(
            f"{found.detector} of {monitor.model_id} drifted: {found.measure} "
            f"{found.statistic:.3g} is past {found.threshold:.3g}, p = {one.adjusted:.2g}.{note}"
        ),
        finding=_plain(one),
        opened_at=evaluation.at,
        last_seen=evaluation.at,
        times=1,
    )


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "at": evaluation.at.isoformat(),
        "status": evaluation.status,
        "drifted": [one.finding.detector for one in evaluation.judged if one.drifted],
        "findings": [_plain(one) for one in evaluation.judged],
    }


def _plain(one: Judged) -> Mapping[str, Any]:
    return {**vars(one.finding), "adjusted_p_value": one.adjusted, "drifted": one.drifted}
