from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.dashboard.view import PRESETS, View

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(NAMES, NAMES, st.sampled_from([*PRESETS, "2026-01-01T00:00..2026-02-01T00:00"]))
def test_an_address_brings_back_what_was_looked_at(model: str, version: str, window: str) -> None:
    view = View(model, version, window)
    said = dict(parse_qsl(view.query.removeprefix("?"), keep_blank_values=True))
    assert View.of(said) == view


def test_the_usual_view_needs_no_address() -> None:
    assert View().query == ""
    assert View.of({}) == View()


@pytest.mark.parametrize("window", ["", "nonsense", "1h..", "2026-02-01..2026-01-01", "..x"])
def test_what_is_no_window_becomes_the_usual_one(window: str) -> None:
    assert View.of({"window": window, "model": "m"}) == View("m")


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "all"])
def test_a_preset_ends_open_and_begins_its_length_ago(name: str) -> None:
    length = PRESETS[name][1]
    assert length is not None
    assert View(window=name).times(NOW) == (NOW - length, None)


def test_everything_has_no_beginning_and_nothing_before_it() -> None:
    assert View(window="all").times(NOW) == (None, None)
    assert View(window="all").compared(NOW) is None


def test_a_window_of_ones_own_is_read_in_utc() -> None:
    view = View(window="2026-01-01T06:00+02:00..2026-01-02")
    start, end = view.times(NOW)
    assert start == datetime(2026, 1, 1, 4, tzinfo=UTC)
    assert end == datetime(2026, 1, 2, tzinfo=UTC)


def test_the_baseline_is_the_window_before_of_the_same_length() -> None:
    compared = View(window="1h").compared(NOW)
    assert compared is not None
    then, now = compared
    assert now == {"start": NOW - timedelta(hours=1), "end": None}
    assert then["start"] == NOW - timedelta(hours=2)
    assert then["end"] < now["start"]
    assert now["start"] - then["end"] <= timedelta(microseconds=1)


def test_a_baseline_of_ones_own_is_taken() -> None:
    compared = View(window="1h", baseline="2026-01-01..2026-01-31").compared(NOW)
    assert compared is not None
    assert compared[0]["end"] == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "step"),
    [
        ("10m", "6s"),
        ("7d", "hour"),
        ("2026-01-01T00:00..2026-01-01T00:10", "6s"),
        ("2026-01-01T00:00..2026-01-01T05:00", "minute"),
        ("2026-01-01..2026-01-10", "hour"),
        ("2026-01-01..2026-03-01", "day"),
    ],
)
def test_the_longer_the_window_the_coarser_the_series(window: str, step: str) -> None:
    assert View(window=window).step(NOW) == step
