"""Durations and cron lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.errors import InvalidInput
from astermind_lab.monitoring.schedule import Schedule, seconds_of

NOON = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


@given(st.integers(1, 5000), st.sampled_from("smhd"))
def test_a_duration_is_added(n: int, unit: str) -> None:
    size = {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    if not 1 <= n * size <= 3660 * 86400:
        return
    schedule = Schedule.parse(f" {n} {unit} ", NOON)
    assert schedule.following(NOON) - NOON == timedelta(seconds=n * size)
    assert seconds_of(f"{n}{unit}", "x") == n * size


def test_a_cron_line_is_of_utc() -> None:
    schedule = Schedule.parse("*/15 13 * * MON", NOON)
    following = schedule.following(NOON)
    assert following == datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
    assert schedule.following(following) == datetime(2026, 3, 2, 13, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "m",
        "5 minutes",
        "-1m",
        "1.5h",
        "0s",
        "99999999w",
        "* * * *",
        "a b c d e",
        "0 0 31 2 *",
        "60 * * * *",
        None,
        5,
    ],
)
def test_what_is_no_schedule_is_refused(text: object) -> None:
    with pytest.raises(InvalidInput, match=r"^schedule: "):
        Schedule.parse(text, NOON)
