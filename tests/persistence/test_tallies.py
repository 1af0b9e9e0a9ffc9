"""Tallies against counting the rows by hand."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.persistence import Prediction, Store
from astermind_lab.persistence.tally_rows import LENGTHS, MINUTE, cover
from tests.persistence.counting import NOON, agree, miscounted, some


@pytest.fixture(scope="module")
def kept() -> Iterator[Store]:
    with Store.open("mem://") as store:
        rng = random.Random(1)
        store.predictions.add_many([some(rng) for _ in range(3_000)])
        yield store


def test_all_of_it(kept: Store) -> None:
    assert agree(kept) and not miscounted(kept)


@given(
    low=st.floats(-1, 31), length=st.one_of(st.floats(0, 0.1), st.floats(0, 31)), on=st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_any_window(kept: Store, low: float, length: float, on: bool) -> None:
    start = NOON + timedelta(hours=low)
    if on:
        start = start.replace(second=0, microsecond=0)
    assert agree(kept, start, start + timedelta(hours=length))


@given(st.integers(-(10**12), 10**12), st.integers(0, 5 * LENGTHS["d"]))
def test_a_cover_is_without_gaps_and_overlaps(low: int, length: int) -> None:
    pieces = cover(low, low + length)
    assert all(a.high == b.low for a, b in itertools.pairwise(pieces))
    assert not pieces or (pieces[0].low, pieces[-1].high) == (low, low + length)
    for piece in pieces:
        unit = LENGTHS.get(piece.level, 1)
        assert piece.low % unit == piece.high % unit == 0
        if not piece.level:
            assert piece.low // MINUTE == (piece.high - 1) // MINUTE


def test_deleting_takes_away_what_logging_added(tmp_path: Path) -> None:
    rng = random.Random(2)
    with Store.open(f"surrealkv://{tmp_path / 'store'}") as store:
        store.predictions.add_many([some(rng) for _ in range(500)])
        start, end = NOON + timedelta(hours=3.01), NOON + timedelta(hours=11.7)
        there = store.predictions.count("m", start, end)
        assert store.predictions.delete("m", start, end) == there > 0
        assert store.predictions.count("m") == 500 - there
        assert agree(store)
        assert store.predictions.delete("m") == 500 - there
        assert not store.tallies.window("m").by_version


def test_many_writers_at_once(tmp_path: Path) -> None:
    def write(number: int) -> None:
        rng = random.Random(number)
        for _ in range(8):
            others[number % 3].predictions.add_many(
                [some(rng, timedelta(minutes=3)) for _ in range(rng.randrange(1, 80))]
            )
            if number % 4 == 0:
                start = NOON + rng.random() * timedelta(minutes=3)
                others[number % 3].predictions.delete("m", start, start + timedelta(seconds=9))

    url = f"local://{tmp_path / 'data'}"
    others: Sequence[Store] = [Store.open(url) for _ in range(3)]
    try:
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(write, range(12)))
        assert not miscounted(others[0])
        assert agree(others[0]) and others[0].tallies.window("m").total.n > 100
        later = NOON + timedelta(seconds=100)
        assert agree(others[1], NOON, later) and agree(others[2], later, None)
    finally:
        for store in others:
            store.close()


def test_a_key_is_logged_once(kept: Store) -> None:
    rng = random.Random(3)
    rows = [some(rng) for _ in range(4)]
    named = [
        Prediction(**{**vars(row), "model_id": "keys", "key": key})
        for row, key in zip(rows, ["a", "b", "a", None], strict=True)
    ]
    first = kept.predictions.add_many(named)
    assert first[0] == first[2] and len(set(first)) == 3
    again = kept.predictions.add_many(named[:3])
    assert again == first[:3]
    assert kept.tallies.window("keys").total.n == kept.predictions.count("keys") == 3


def test_a_crowded_minute_is_opened(tmp_path: Path) -> None:
    """Windows inside crowded minutes, whatever way the crowd has come."""
    rng = random.Random(6)
    with Store.open(f"surrealkv://{tmp_path / 'store'}") as store:
        store.predictions.add_many([some(rng, timedelta(minutes=2)) for _ in range(150)])
        assert not miscounted(store)
        for n in (40, 300, 700):
            store.predictions.add_many([some(rng, timedelta(minutes=2)) for _ in range(n)])
            assert not miscounted(store)
        late = [some(rng, timedelta(seconds=2)) for _ in range(1_400)]
        moved = [replace(row, timestamp=row.timestamp + timedelta(minutes=5)) for row in late]
        store.predictions.add_many(moved)
        assert not miscounted(store)
        levels = store._connection.first("SELECT VALUE level FROM metrics WHERE fine")
        assert {"m", "6s"} <= set(levels)
        for _ in range(25):
            start = NOON + rng.random() * timedelta(minutes=5.1)
            assert agree(store, start, start + rng.random() * timedelta(minutes=1))
        store.predictions.delete(
            "m", NOON + timedelta(seconds=33.3), NOON + timedelta(minutes=5.01)
        )
        assert not miscounted(store)
        assert agree(store, NOON + timedelta(seconds=20), NOON + timedelta(minutes=5.02))
