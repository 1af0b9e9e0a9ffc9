"""Monitors, and the alerts that they raise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Moment
from astermind_lab.lab.drifting import finding_of
from astermind_lab.lab.measuring import versions_of
from astermind_lab.results import (
    AlertItem,
    AlertList,
    DeletedMonitor,
    MonitorEvaluation,
    MonitorItem,
    MonitorList,
)
from astermind_lab.tools import Wire, tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence.monitors import Alert, Monitor

__all__ = [
    "acknowledge_alert",
    "create_monitor",
    "delete_monitor",
    "list_alerts",
    "list_monitors",
    "mute_alert",
    "resolve_alert",
    "run_monitor",
]

_LARGEST_THRESHOLD = 100.0


@tool()
def create_monitor(
    lab: Session,
    model_id: str,
    detectors: Iterable[str] | None = None,
    baseline: Annotated[Any, Wire(str | dict[str, Any] | None)] = None,
    window: str | None = None,
    schedule: str = "5m",
    monitor_id: str | None = None,
    version: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    alpha: float = 0.05,
    webhook: str | None = None,
) -> MonitorItem:
    """Compare a model's last predictions with a baseline again and again, and alert on drift.

    Any program that has this lab open for a while evaluates it when it is due: one that logs
    predictions, an MCP server, a dashboard, or `astermind monitor`.

    model_id : the model
    detectors : which of labels, confidence, inputs, separability, performance; without it all
    baseline : an object with start and end in ISO 8601, or a duration such as 7d: so long a stretch
        before the window. Without it 7d
    window : how long a stretch is compared, up to now, as 1h; without it the setting
        monitoring.metrics_window. Accuracy is always taken over all that came since the monitor
        was made, or since its last alert about accuracy was resolved
    schedule : how often, as 5m, or a cron line of five fields, in UTC
    monitor_id : a name for it; without one that of the model
    version : only the predictions of this version, or of the one an alias names now
    thresholds : object of detector and statistic, from where on it matters, in place of its own
    alpha : how often one evaluation may find drift where there is none
    webhook : a web address that new alerts are posted to; its host must be allowed by the setting
        monitoring.webhook_hosts
    Raises InvalidInput, AlreadyExists.
    """
    from astermind_lab.monitoring.drift.verdict import DETECTORS
    from astermind_lab.monitoring.schedule import Schedule, seconds_of
    from astermind_lab.monitoring.webhook import check_webhook
    from astermind_lab.persistence.monitors import Monitor

    monitoring = lab.settings.monitoring
    model_id = check.identifier(model_id, "model_id")
    now = lab.clock.now()
    timing = Schedule.parse(schedule, now)
    versions = versions_of(lab, model_id, version)
    if window is None:
        length = int(monitoring.metrics_window.total_seconds())
    else:
        length = seconds_of(window, "window")
    limits = _limits(thresholds)
    limits.setdefault("labels", monitoring.drift_threshold)
    monitor = Monitor(
        monitor_id=check.optional(check.identifier, monitor_id, "monitor_id") or model_id,
        model_id=model_id,
        version=None if versions is None else next(iter(versions)),
        detectors=check.choices(detectors, "detectors", tuple(DETECTORS)),
        baseline=_baseline(baseline),
        window=length,
        schedule=timing.text,
        thresholds=limits,
        alpha=check.number_between(alpha, "alpha", 1e-6, 0.5),
        webhook=None if webhook is None else check_webhook(webhook, monitoring.webhook_hosts),
        created_at=now,
        due=timing.following(now),
    )
    lab.store.monitors.add(monitor)
    lab.keep_watch()
    return _item(monitor)


def _baseline(value: object) -> dict[str, Any]:
    from astermind_lab.monitoring.schedule import seconds_of

    if value is None:
        value = "7d"
    if isinstance(value, str):
        return {"seconds": seconds_of(value, "baseline")}
    start, end = check.window(value, "baseline")
    if start is None and end is None:
        raise InvalidInput("baseline", "give start, end or both; or a duration such as 7d")
    return {name: at for name, at in (("start", start), ("end", end)) if at is not None}


def _limits(value: object) -> dict[str, float]:
    from astermind_lab.monitoring.drift.verdict import DETECTORS

    given = check.plain_mapping(value, "thresholds")
    for name in given:
        check.choices([name], "thresholds", tuple(DETECTORS))
    return {
        name: check.number_between(limit, f"thresholds.{name}", 0, _LARGEST_THRESHOLD)
        for name, limit in given.items()
    }


@tool()
def list_monitors(lab: Session, model_id: str | None = None) -> MonitorList:
    """The monitors, when each is evaluated next, and what it last said.

    model_id : only the monitors of this model
    Raises InvalidInput.
    """
    model_id = check.optional(check.identifier, model_id, "model_id")
    return MonitorList(monitors=[_item(one) for one in lab.store.monitors.list(model_id)])


@tool()
def delete_monitor(lab: Session, monitor_id: str) -> DeletedMonitor:
    """Delete a monitor. Its alerts stay.

    monitor_id : the monitor
    Raises InvalidInput, NotFound.
    """
    monitor_id = check.identifier(monitor_id, "monitor_id")
    lab.store.monitors.delete(monitor_id)
    return DeletedMonitor(monitor_id=monitor_id)


@tool()
def run_monitor(lab: Session, monitor_id: str) -> MonitorEvaluation:
    """Evaluate a monitor now, whenever it is due, with its alerts and all.

    monitor_id : the monitor
    Raises InvalidInput, NotFound.
    """
    from astermind_lab.monitoring.monitors import evaluate, record

    monitor = lab.store.monitors.get(check.identifier(monitor_id, "monitor_id"))
    lab.flush()
    found = evaluate(lab.store, monitor, lab.clock.now())
    alerts = record(lab.store, found, lab.tell)
    return MonitorEvaluation(
        monitor_id=monitor.monitor_id,
        model_id=monitor.model_id,
        at=found.at,
        status=found.status,
        detectors=[finding_of(one) for one in found.judged],
        alerts=[alert_item(one) for one in alerts],
    )


@tool()
def list_alerts(
    lab: Session, status: str | None = None, model_id: str | None = None, limit: int = 100
) -> AlertList:
    """What monitors have found, the latest first.

    status : open, acknowledged, muted or resolved; without it all that are not resolved
    model_id : only alerts of this model
    limit : how many at the most, 1 to 1,000
    Raises InvalidInput.
    """
    model_id = check.optional(check.identifier, model_id, "model_id")
    limit = check.whole_number(limit, "limit", 1, 1_000)
    found = lab.store.alerts.list(status=status, model_id=model_id, limit=limit)
    return AlertList(alerts=[alert_item(one) for one in found])


@tool()
def acknowledge_alert(lab: Session, alert_id: str, note: str | None = None) -> AlertItem:
    """Say that somebody looks after an alert; it goes on counting, and nobody is told again.

    alert_id : the alert
    note : what there is to say about it
    Raises InvalidInput, NotFound.
    """
    return _set(lab, alert_id, "acknowledged", note)


@tool()
def mute_alert(
    lab: Session, alert_id: str, until: Moment | None = None, note: str | None = None
) -> AlertItem:
    """Hear no more of an alert, for good or until a moment; it goes on counting.

    alert_id : the alert
    until : in ISO 8601 with a zone; then it is open again if it is seen; without it for good
    note : what there is to say about it
    Raises InvalidInput, NotFound.
    """
    moment = None if until is None else check.moment(until, "until")
    return _set(lab, alert_id, "muted", note, moment)


@tool()
def resolve_alert(lab: Session, alert_id: str, note: str | None = None) -> AlertItem:
    """Close an alert. If its monitor finds the same again, that is a new alert.

    alert_id : the alert
    note : what there is to say about it
    Raises InvalidInput, NotFound.
    """
    return _set(lab, alert_id, "resolved", note)


def _set(
    lab: Session, alert_id: str, status: str, note: str | None, until: datetime | None = None
) -> AlertItem:
    alert_id = check.identifier(alert_id, "alert_id")
    note = check.optional(check.text, note, "note")
    now = lab.clock.now()
    changed = lab.store.alerts.set_status(alert_id, status, now=now, note=note, until=until)
    return alert_item(changed)


def _item(monitor: Monitor) -> MonitorItem:
    last = monitor.last or {}
    baseline = dict(monitor.baseline)
    if "seconds" in baseline:
        baseline = {"duration": _duration(baseline["seconds"])}
    return MonitorItem(
        monitor_id=monitor.monitor_id,
        model_id=monitor.model_id,
        version=monitor.version,
        detectors=list(monitor.detectors),
        baseline=baseline,
        window=_duration(monitor.window),
        schedule=monitor.schedule,
        thresholds=dict(monitor.thresholds),
        alpha=monitor.alpha,
        webhook=monitor.webhook,
        enabled=monitor.enabled,
        created_at=monitor.created_at,
        next_run=monitor.due,
        last_run=datetime.fromisoformat(last["at"]) if "at" in last else None,
        last_status=last.get("status"),
    )


def _duration(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def alert_item(alert: Alert) -> AlertItem:
    """An alert as clients read it."""
    return AlertItem(**vars(alert))
