"""Clocks: what they promise to those who take one as a parameter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from astermind_lab.clock import Clock, FixedClock, SystemClock


def test_the_system_clock_is_aware_and_never_goes_back() -> None:
    clock: Clock = SystemClock()
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().utcoffset() == timedelta()
    assert clock.monotonic() <= clock.monotonic()


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock: Clock = FixedClock(datetime(2026, 3, 1, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 3, 1, tzinfo=UTC)
    assert clock.monotonic() == 0.0


def test_both_readings_of_a_fixed_clock_move_together() -> None:
    clock = FixedClock(datetime(2026, 3, 1, tzinfo=UTC))
    clock.advance(1.5)
    clock.advance(timedelta(days=1))
    assert clock.now() == datetime(2026, 3, 2, 0, 0, 1, 500_000, tzinfo=UTC)
    assert clock.monotonic() == 86_401.5


def test_a_fixed_clock_answers_in_utc_wherever_it_starts() -> None:
    start = datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert FixedClock(start).now().isoformat() == "2026-02-28T23:00:00+00:00"


@pytest.mark.parametrize("step", [-1, timedelta(microseconds=-1)])
def test_a_fixed_clock_refuses_to_go_back(step: float | timedelta) -> None:
    clock = FixedClock()
    start = clock.now()
    with pytest.raises(ValueError, match="only moves forward"):
        clock.advance(step)
    assert clock.now() == start


def test_a_fixed_clock_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(datetime(2026, 3, 1))
