"""Retention: rows go, what they added up to stays."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from astermind_lab.errors import InvalidInput, NotFound
from astermind_lab.persistence import NewModelVersion, Store
from tests.persistence.test_tallies import NOON, some


@pytest.fixture
def filled() -> Store:
    store = Store.open("mem://")
    rng = random.Random(4)
    store.predictions.add_many([some(rng, timedelta(days=4)) for _ in range(2_500)])
    return store


def test_figures_outlive_their_rows(filled: Store) -> None:
    with filled as store:
        before = NOON + timedelta(days=2, minutes=17)
        edge = NOON + timedelta(days=2)
        old = store.predictions.count("m", None, edge - timedelta(microseconds=1))
        whole = store.tallies.window("m").total
        windows = [(NOON, edge), (edge, None), (NOON + timedelta(days=1), edge + timedelta(days=1))]
        known = [store.tallies.window("m", *window).total for window in windows]
        assert store.retention.count_predictions(before) == {"m": old}
        told: list[int] = []
        assert store.retention.expire_predictions(before, told.append) == {"m": old}
        assert told[-1] == old and store.predictions.count("m") == 2_500 - old
        assert store.tallies.window("m").total == whole
        assert [store.tallies.window("m", *window).total for window in windows] == known
        assert store.retention.expire_predictions(before) == {}


def test_a_ragged_window_over_old_rows_is_widened_to_hours(filled: Store) -> None:
    with filled as store:
        hours = NOON + timedelta(hours=5), NOON + timedelta(hours=9) - timedelta(microseconds=1)
        exact = store.tallies.window("m", *hours).total
        store.retention.expire_predictions(NOON + timedelta(days=1))
        ragged = hours[0] + timedelta(minutes=7), hours[1] - timedelta(minutes=3)
        found = store.tallies.window("m", *ragged)
        assert found.total == exact
        assert found.low == (NOON + timedelta(hours=5)).timestamp() * 10**6
        assert found.high == (NOON + timedelta(hours=9)).timestamp() * 10**6
        recent = store.tallies.window("m", NOON + timedelta(days=2, minutes=7.5))
        assert recent.low == (NOON + timedelta(days=2, minutes=7.5)).timestamp() * 10**6


def test_late_rows_and_feedback_still_count(filled: Store) -> None:
    with filled as store:
        store.retention.expire_predictions(NOON + timedelta(days=3))
        n = store.tallies.window("m").total.n
        store.predictions.add_many([some(random.Random(5), timedelta(hours=3))])
        assert store.tallies.window("m").total.n == n + 1
        assert store.tallies.window("m", NOON, NOON + timedelta(hours=3)).total.n > 1


def test_tallies_go_when_their_time_has_come(filled: Store) -> None:
    with filled as store:
        store.retention.expire_predictions(NOON + timedelta(days=4))
        before = NOON + timedelta(days=2)
        rest = store.tallies.window("m", before.replace(hour=0)).total
        assert store.retention.count_tallies(before) > 0
        assert store.retention.expire_tallies(before) > 0
        assert store.tallies.window("m").total == rest


def test_an_old_version_goes_with_its_weights(filled: Store) -> None:
    with filled as store:
        for name in ("v1", "v2"):
            new = NewModelVersion(
                model_id="a",
                version=name,
                model_type="elm",
                categories=["x", "y"],
                training_examples=2,
            )
            store.models.add(new, b"weights")
        store.models.set_alias("a", "champion", "v2")
        with pytest.raises(InvalidInput, match="champion"):
            store.models.purge("a", "v2")
        store.models.purge("a", "v1")
        assert [one.version for one in store.models.versions("a", include_deleted=True)] == ["v2"]
        with pytest.raises(NotFound):
            store.models.restore("a", "v1")
        with pytest.raises(NotFound):
            store.models.purge("a", "v1")
        assert store.models.weights("a", "v2") == b"weights"
        assert not store.check().damaged


def test_moments_need_a_zone(filled: Store) -> None:
    with filled as store, pytest.raises(InvalidInput, match="before"):
        store.retention.expire_predictions(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
