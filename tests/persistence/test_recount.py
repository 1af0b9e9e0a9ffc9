"""Counting the log anew."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

from astermind_lab.persistence import Store
from tests.persistence.counting import NOON, miscounted, some


def filled(store: Store, n: int = 1_200) -> None:
    rng = random.Random(7)
    store.predictions.add_many([some(rng, timedelta(hours=40)) for _ in range(n // 2)])
    store.predictions.add_many([some(rng, timedelta(minutes=1)) for _ in range(n // 2)])


def test_a_log_without_tallies_is_counted_when_it_is_opened(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    with Store.open(url) as store:
        filled(store)
        for table in ("metrics", "monitored_models"):
            store._connection.write(f"DELETE {table} RETURN NONE")
        assert not store.tallies.window("m").by_version
    with Store.open(url) as store:
        assert store.tallies.window("m").total.n == 1_200 and not miscounted(store)
        assert store.predictions.models() == ["m"]
        filled(store)
    with Store.open(url) as store:
        assert store.tallies.window("m").total.n == 2_400 and not miscounted(store)


def test_wrong_tallies_are_put_right() -> None:
    with Store.open("mem://") as store:
        filled(store)
        store._connection.write("UPDATE metrics SET n = n + 1, rev = rev + 1 RETURN NONE")
        store._connection.write("DELETE metrics WHERE level = 'h' RETURN NONE")
        told: list[int] = []
        assert store.recount(told.append) == {"m": 1_200} and told[-1] == 1_200
        assert not miscounted(store)
        filled(store, 200)
        assert not miscounted(store)


def test_what_retention_left_is_kept() -> None:
    with Store.open("mem://") as store:
        filled(store)
        store.retention.expire_predictions(NOON + timedelta(hours=20.5))
        whole = store.tallies.window("m").total
        today = store.tallies.window("m", NOON + timedelta(hours=21)).total
        store.recount()
        assert store.tallies.window("m").total == whole
        assert store.tallies.window("m", NOON + timedelta(hours=21)).total == today
