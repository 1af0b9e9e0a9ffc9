"""Time as a parameter, so that no test has to wait for it.

Whatever stamps a record or measures a latency takes a ``Clock``; programs pass a ``SystemClock``,
tests a ``FixedClock`` that moves only when told to.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "FixedClock", "SystemClock"]


class Clock(Protocol):
    """What the lab asks of a clock."""

    def now(self) -> datetime:
        """The date and time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back, so it measures durations."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.perf_counter()


class FixedClock:
    """A clock that stands still until ``advance`` moves it.

    >>> clock = FixedClock(datetime(2026, 1, 31, tzinfo=UTC))
    >>> clock.advance(90.5)
    >>> clock.now().isoformat()
    '2026-01-31T00:01:30.500000+00:00'
    >>> clock.monotonic()
    90.5
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Stand at ``start``; ValueError if it has no time zone."""
        if start.tzinfo is None:
            raise ValueError(f"start must have a time zone, {start!r} has none")
        self._start = start.astimezone(UTC)
        self._passed = timedelta()

    def now(self) -> datetime:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed.total_seconds()

    def advance(self, by: float | timedelta) -> None:
        """Move on by seconds or a timedelta; ValueError if that would go back in time."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta():
            raise ValueError(f"a clock only moves forward, {by!r} would move it back")
        self._passed += step
