"""Samples of the log: how many, from where, and what they hold."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.persistence import Prediction, Store
from tests.persistence.counting import NOON, some

BURST = NOON + timedelta(days=2)


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Store, list[Prediction]]]:
    """Three days of a few predictions, and a burst of many within seconds."""
    rng = random.Random(8)
    rows = [some(rng, timedelta(days=3)) for _ in range(1_500)]
    rows += [
        replace(some(rng), timestamp=BURST + timedelta(seconds=rng.random() * 20))
        for _ in range(1_500)
    ]
    with Store.open("mem://") as store:
        store.predictions.add_many(rows)
        yield store, list(store.predictions.window("m"))


@given(
    low=st.floats(-0.5, 3),
    length=st.floats(0, 3.5),
    versions=st.sampled_from([None, ("v1",), ("none",)]),
    most=st.sampled_from([100, 300, 5_000]),
)
@settings(max_examples=40, deadline=None)
def test_a_sample_is_of_the_window(
    kept: tuple[Store, list[Prediction]],
    low: float,
    length: float,
    versions: tuple[str, ...] | None,
    most: int,
) -> None:
    store, every = kept
    start = NOON + timedelta(days=low)
    end = start + timedelta(days=length)
    inside = {
        row.record_id: row
        for row in every
        if start <= row.timestamp <= end and (versions is None or row.version in versions)
    }
    found = store.predictions.spread("m", start, end, versions, most)
    assert len({one.record_id for one in found}) == len(found) <= most
    assert [one.timestamp for one in found] == sorted(one.timestamp for one in found)
    for one in found:
        row = inside[one.record_id]
        assert (one.timestamp, one.input, one.prediction) == (
            row.timestamp,
            row.input,
            row.prediction,
        )
        assert (one.confidence, one.features) == (row.confidence, row.features)
    if len(inside) + 200 <= most:  # the minutes at the ends count as a whole
        assert len(found) == len(inside)
    else:
        assert len(found) >= min(most, len(inside)) / 4


def test_a_burst_has_its_share_and_no_more(kept: tuple[Store, list[Prediction]]) -> None:
    store, _ = kept
    found = store.predictions.spread("m", most=300)

    def part(at: datetime) -> str:
        if BURST <= at <= BURST + timedelta(seconds=20):
            return "burst"
        return f"day {(at - NOON).days}"

    counts = Counter(part(one.timestamp) for one in found)
    assert set(counts) == {"burst", "day 0", "day 1", "day 2"}
    assert 0.4 < counts["burst"] / len(found) < 0.6
    quiet = [counts[f"day {day}"] for day in range(3)]
    assert max(quiet) < 2 * min(quiet)
    assert found == store.predictions.spread("m", most=300)


def test_nothing_is_nothing(kept: tuple[Store, list[Prediction]]) -> None:
    store, _ = kept
    assert store.predictions.spread("nobody") == []
    later = NOON + timedelta(days=30)
    assert store.predictions.spread("m", later, later) == []
