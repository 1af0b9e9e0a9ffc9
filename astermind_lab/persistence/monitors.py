"""Monitors and alerts, as they are kept.

A monitor is due at a moment. Whoever sees that it is past moves it on, in one step that only one of
many programs succeeds in, and evaluates the monitor. An alert is one finding of one detector of a
monitor, from when it was first seen until somebody resolves it; at most one is not resolved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from surrealdb import RecordID

from astermind_lab.errors import AlreadyExists, InvalidInput, NotFound, shown
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.faults import RecordTaken
from astermind_lab.persistence.prediction_rows import ticks
from astermind_lab.persistence.values import check_id, check_object, from_database, plain_moment

__all__ = ["STATUSES", "Alert", "AlertRepository", "Monitor", "MonitorRepository"]

STATUSES = ("open", "acknowledged", "muted", "resolved")


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """What is compared with what, how, and when.

    baseline : {"start", "end"} of a fixed window, or {"seconds"} of a stretch that ends where the
        current window begins     window : length of the current window, in seconds
    schedule : a duration or a cron line     due : when it is evaluated next; None is never
    thresholds : by detector, instead of their own     last : what the last evaluation said
    """

    monitor_id: str
    model_id: str
    version: str | None
    detectors: Sequence[str]
    baseline: Mapping[str, Any]
    window: int
    schedule: str
    thresholds: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    webhook: str | None = None
    enabled: bool = True
    created_at: datetime
    due: datetime | None = None
    last: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A finding of a monitor. times : how many evaluations have seen it"""

    alert_id: str
    monitor_id: str
    model_id: str
    detector: str
    status: str
    message: str
    finding: Mapping[str, Any]
    opened_at: datetime
    last_seen: datetime
    times: int
    note: str | None = None
    muted_until: datetime | None = None
    closed_at: datetime | None = None


class MonitorRepository:
    """The monitors."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, monitor: Monitor) -> None:
        """Keep a new monitor; raises AlreadyExists, InvalidInput."""
        check_id("monitor_id", monitor.monitor_id)
        check_id("model_id", monitor.model_id)
        row = {name: value for name, value in vars(monitor).items() if value is not None}
        row["baseline"] = dict(monitor.baseline)
        row["thresholds"] = check_object("thresholds", monitor.thresholds)
        row["detectors"] = list(monitor.detectors)
        try:
            self._connection.write_once(
                "(CREATE ONLY $record CONTENT $row RETURN VALUE monitor_id)",
                record=_monitor(monitor.monitor_id),
                row=row,
            )
        except RecordTaken:
            raise AlreadyExists(
                f"monitor_id: there is a monitor {shown(monitor.monitor_id)} already; delete it or "
                "choose another name"
            ) from None

    def get(self, monitor_id: str) -> Monitor:
        """One monitor; raises NotFound."""
        check_id("monitor_id", monitor_id)
        row = self._connection.first(
            "SELECT * FROM ONLY $record WHERE id != NONE", record=_monitor(monitor_id)
        )
        if row is None:
            raise NotFound(f"monitor_id: there is no monitor {shown(monitor_id)}")
        return _read_monitor(row)

    def list(self, model_id: str | None = None) -> list[Monitor]:
        """All monitors, or those of a model, in the order of their names."""
        rows = self._connection.first("SELECT * FROM monitors")
        found = [_read_monitor(row) for row in rows]
        chosen = [one for one in found if model_id is None or one.model_id == model_id]
        return sorted(chosen, key=lambda one: one.monitor_id)

    def delete(self, monitor_id: str) -> None:
        """Remove a monitor; its alerts stay. Raises NotFound."""
        check_id("monitor_id", monitor_id)
        gone = self._connection.write_once(
            "(DELETE $record RETURN BEFORE)", record=_monitor(monitor_id)
        )
        if not gone:
            raise NotFound(f"monitor_id: there is no monitor {shown(monitor_id)}")

    def claim(self, monitor: Monitor, following: datetime | None) -> bool:
        """Move a monitor on from the moment it was due to the following; False if another did."""
        moved = self._connection.write_once(
            "(UPDATE $record SET due = $following WHERE due = $due RETURN VALUE true)",
            record=_monitor(monitor.monitor_id),
            following=following,
            due=monitor.due,
        )
        return bool(moved)

    def note(self, monitor_id: str, last: Mapping[str, Any]) -> None:
        """Keep what an evaluation said."""
        self._connection.write(
            "UPDATE $record SET last = $last RETURN NONE",
            record=_monitor(monitor_id),
            last=check_object("last", last),
        )

    def claim_turn(self, name: str, every: timedelta, now: datetime) -> bool:
        """Whether it is this program's turn to do what is to be done once in a while by anybody."""
        record, at = RecordID("_counter", f"turn {name}"), ticks(now)
        taken = self._connection.write_once(
            "(UPSERT $record SET n = $at WHERE (n ?? 0) <= $before RETURN VALUE true)",
            record=record,
            at=at,
            before=at - every // timedelta(microseconds=1),
        )
        return bool(taken)


class AlertRepository:
    """The alerts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def see(self, alert: Alert) -> tuple[Alert, bool]:
        """Keep a finding: as a new alert, or as one that was seen again.

        Returns the alert as it is kept now, and whether somebody should be told of it.
        """
        while True:
            known = self.unresolved(alert.monitor_id, alert.detector)
            if known is None:
                if self._create(alert):
                    return alert, True
                continue  # another program saw the same thing just now
            muted = known.muted_until is not None and alert.last_seen >= known.muted_until
            seen = replace(
                known,
                status="open" if known.status == "muted" and muted else known.status,
                muted_until=None if muted else known.muted_until,
                message=alert.message,
                finding=alert.finding,
                last_seen=alert.last_seen,
                times=known.times + 1,
            )
            self._put(seen)
            return seen, seen.status != known.status

    def get(self, alert_id: str) -> Alert:
        """One alert; raises NotFound."""
        check_id("alert_id", alert_id)
        rows = self._connection.first(
            "SELECT * FROM alerts WHERE alert_id = $alert_id", alert_id=alert_id
        )
        if not rows:
            raise NotFound(f"alert_id: there is no alert {shown(alert_id)}")
        return _read_alert(rows[0])

    def list(
        self, *, status: str | None = None, model_id: str | None = None, limit: int = 100
    ) -> list[Alert]:
        """Alerts, the latest first; without a status all that are not resolved."""
        if status is not None and status not in STATUSES:
            raise InvalidInput("status", f"{shown(status)} is not one of {', '.join(STATUSES)}")
        wanted = [status] if status else list(STATUSES[:-1])
        rows = self._connection.first("SELECT * FROM alerts WHERE status IN $wanted", wanted=wanted)
        found = [_read_alert(row) for row in rows]
        chosen = [one for one in found if model_id is None or one.model_id == model_id]
        return sorted(chosen, key=lambda one: one.last_seen, reverse=True)[:limit]

    def unresolved(self, monitor_id: str, detector: str) -> Alert | None:
        """The alert of a detector that nobody has resolved."""
        rows = self._connection.first(
            "SELECT * FROM alerts:[$monitor_id, $detector]..=[$monitor_id, $detector, []] "
            "WHERE status != 'resolved'",
            monitor_id=monitor_id,
            detector=detector,
        )
        return _read_alert(rows[-1]) if rows else None

    def last_closed(self, monitor_id: str, detector: str) -> datetime | None:
        """When an alert of a detector was last resolved."""
        rows = self._connection.first(
            "SELECT VALUE closed_at FROM alerts:[$monitor_id, $detector]..="
            "[$monitor_id, $detector, []] WHERE status = 'resolved'",
            monitor_id=monitor_id,
            detector=detector,
        )
        return max((plain_moment(at) for at in rows if at is not None), default=None)

    def set_status(
        self,
        alert_id: str,
        status: str,
        *,
        now: datetime,
        note: str | None = None,
        until: datetime | None = None,
    ) -> Alert:
        """Acknowledge, mute, resolve or open again; the alert as it is then. Raises NotFound."""
        known = self.get(alert_id)
        changed = replace(
            known,
            status=status,
            note=known.note if note is None else note,
            muted_until=until if status == "muted" else None,
            closed_at=now if status == "resolved" else None,
        )
        self._put(changed)
        return changed

    def _create(self, alert: Alert) -> bool:
        try:
            self._connection.write_once(
                "(CREATE ONLY $record CONTENT $row RETURN VALUE alert_id)",
                record=_record(alert),
                row=_row(alert),
            )
        except RecordTaken:
            return False
        return True

    def _put(self, alert: Alert) -> None:
        self._connection.write(
            "UPDATE $record CONTENT $row RETURN NONE", record=_record(alert), row=_row(alert)
        )


def _monitor(monitor_id: str) -> RecordID:
    return RecordID("monitors", [monitor_id])


def _record(alert: Alert) -> RecordID:
    return RecordID("alerts", [alert.monitor_id, alert.detector, ticks(alert.opened_at)])


def _row(alert: Alert) -> dict[str, Any]:
    fields = {name: value for name, value in vars(alert).items() if value is not None}
    return {**fields, "finding": check_object("finding", alert.finding)}


def _read_monitor(row: Mapping[str, Any]) -> Monitor:
    fields: dict[str, Any] = {name: row.get(name) for name in Monitor.__dataclass_fields__}
    moments = ("created_at", "due")
    fields |= {name: _moment(fields[name]) for name in moments}
    baseline = from_database(row["baseline"])
    fields["baseline"] = {
        k: plain_moment(v) if isinstance(v, datetime) else v for k, v in baseline.items()
    }
    fields["thresholds"] = from_database(row["thresholds"])
    fields["last"] = from_database(fields["last"])
    return Monitor(**fields)


def _read_alert(row: Mapping[str, Any]) -> Alert:
    fields: dict[str, Any] = {name: row.get(name) for name in Alert.__dataclass_fields__}
    moments = ("opened_at", "last_seen", "muted_until", "closed_at")
    fields |= {name: _moment(fields[name]) for name in moments}
    fields["finding"] = from_database(row["finding"])
    return Alert(**fields)


def _moment(value: Any) -> Any:
    return plain_moment(value) if isinstance(value, datetime) else None
