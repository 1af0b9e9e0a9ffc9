"""Tallies one after the other, against counting the rows."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.core.tally import Tally
from astermind_lab.persistence import Store
from astermind_lab.persistence.prediction_rows import moment, ticks
from astermind_lab.persistence.tally_rows import LENGTHS
from tests.persistence.counting import NOON, figures, observed, some


@pytest.fixture(scope="module")
def kept() -> Iterator[Store]:
    """Crowded minutes, quiet ones, and such as are crowded for one version only."""
    rng = random.Random(4)
    rows = [some(rng, timedelta(minutes=20)) for _ in range(900)]
    rows += [replace(some(rng, timedelta(minutes=2)), version="v1") for _ in range(700)]
    rows += [some(rng, timedelta(hours=40)) for _ in range(300)]
    with Store.open("mem://") as store:
        store.predictions.add_many(rows)
        store.predictions.delete("m", NOON + timedelta(seconds=71), NOON + timedelta(seconds=75.5))
        yield store


@given(
    level=st.sampled_from(["6s", "6s", "m", "h", "d"]),
    low=st.floats(-1, 21),
    length=st.floats(0, 22),
    versions=st.sampled_from([None, ("v1",), ("v2", None), ("none",)]),
    features=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_every_step_is_what_its_rows_add_up_to(
    kept: Store,
    level: str,
    low: float,
    length: float,
    versions: tuple[str | None, ...] | None,
    features: bool,
) -> None:
    start, end = NOON + timedelta(minutes=low), NOON + timedelta(minutes=low + length)
    found = kept.tallies.series("m", level, start, end, versions=versions, features=features)
    step = LENGTHS[level]
    first, last = (moment(ticks(at) // step * step) for at in (start, end))
    rows: dict[object, list[object]] = {}
    for row in kept.predictions.window("m", first, last + timedelta(microseconds=step - 1)):
        if versions is None or row.version in versions:
            one = observed(row) if features else observed(row)._replace(features=None)
            rows.setdefault(moment(one.at // step * step), []).append(one)
    expected = {at: figures(Tally.of(some)) for at, some in rows.items()}  # type: ignore[arg-type]
    assert {at: figures(tally) for at, tally in found} == expected
    assert [at for at, _ in found] == sorted(expected)  # type: ignore[type-var]


def test_some_minutes_are_open_and_some_are_not(kept: Store) -> None:
    rows = kept._connection.first("SELECT VALUE [version, fine] FROM metrics WHERE level = 'm'")
    assert {tuple(pair) for pair in rows} >= {("v1", True), ("v1", False), ("v2", False)}


def test_what_is_written_meanwhile_is_there_as_a_whole_or_not_at_all() -> None:
    rng = random.Random(5)
    batches = [[some(rng, timedelta(seconds=60)) for _ in range(60)] for _ in range(14)]
    with Store.open("mem://") as store:
        done = threading.Event()

        def write() -> None:
            for batch in batches:
                store.predictions.add_many(batch)
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        counts = []
        while not done.is_set():
            series = store.tallies.series("m", "6s", NOON, NOON + timedelta(seconds=59))
            counts.append(sum(tally.n for _, tally in series))
        writer.join()
        assert counts == sorted(counts)
        assert {n % 60 for n in counts} == {0}
        assert store._connection.first("SELECT VALUE fine FROM metrics WHERE level = 'm' AND fine")
