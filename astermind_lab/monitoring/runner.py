"""What has to be done now and then: due monitors are evaluated, old records removed.

Any number of programs may run this on one database: a due monitor, and the hour of retention, is
claimed first, so that one of them does it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from astermind_lab.clock import Clock
from astermind_lab.errors import AsterMindError, StoreError
from astermind_lab.monitoring.schedule import Schedule

if TYPE_CHECKING:
    from astermind_lab.persistence import Store
    from astermind_lab.persistence.hints import Hints
    from astermind_lab.persistence.monitors import Alert, Monitor

__all__ = ["Runner"]

_LOOK_SECONDS = 30.0
_LEAST_SECONDS = 1.0
_RETENTION = timedelta(hours=1)

_log = logging.getLogger(__name__)


class Runner:
    """A thread that looks after monitors and retention until it is closed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        tell: Callable[[Monitor, Alert], None],
        retain: Callable[[], object] | None,
    ) -> None:
        """tell : called with each alert that somebody should hear of
        retain : removes what has been kept long enough; None if everything is kept
        """
        self._store = store
        self._clock = clock
        self._tell = tell
        self._retain = retain
        self._closed = threading.Event()
        self._hints: Hints | None = None
        self._thread = threading.Thread(target=self._run, name="astermind-monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; an evaluation that is under way is finished first."""
        self._closed.set()
        if self._hints is not None:
            self._hints.close()
        self._thread.join(_LOOK_SECONDS)

    def _run(self) -> None:
        while not self._closed.wait(_LEAST_SECONDS):  # most programs have ended by then
            if self._hints is None:
                self._hints = self._store.hints("monitors")
            pause = _LOOK_SECONDS
            try:
                pause = self._look()
            except StoreError as problem:
                if not self._closed.is_set():
                    _log.info("monitors cannot be looked at: %s", problem)
            except Exception:
                _log.exception("a monitor failed")
            if not self._closed.is_set():
                self._hints.wait(max(0.0, min(pause, _LOOK_SECONDS)))
        if self._hints is not None:
            self._hints.close()

    def _look(self) -> float:
        """Do what is due; for how many seconds there is nothing to do then."""
        monitors = [one for one in self._store.monitors.list() if one.enabled and one.due]
        for monitor in monitors:
            if monitor.due is not None and monitor.due <= self._clock.now():
                self._evaluate(monitor)
        if self._retain is not None and self._store.monitors.claim_turn(
            "retention", _RETENTION, self._clock.now()
        ):
            self._retain()
        return self._seconds_left(monitors)

    def _evaluate(self, monitor: Monitor) -> None:
        from astermind_lab.monitoring.monitors import evaluate, record

        now = self._clock.now()
        if not self._store.monitors.claim(monitor, Schedule(monitor.schedule).following(now)):
            return
        began = time.monotonic()
        try:
            record(self._store, evaluate(self._store, monitor, now), self._tell)
        except StoreError:
            raise
        except AsterMindError as problem:
            _log.error("the monitor %s cannot be evaluated: %s", monitor.monitor_id, problem)
        _log.debug("evaluated %s in %.3f s", monitor.monitor_id, time.monotonic() - began)

    def _seconds_left(self, monitors: list[Monitor]) -> float:
        now = self._clock.now()
        upcoming: list[datetime] = [
            Schedule(one.schedule).following(now) if one.due and one.due <= now else one.due
            for one in monitors
            if one.due
        ]
        return min(((at - now).total_seconds() for at in upcoming), default=_LOOK_SECONDS)
