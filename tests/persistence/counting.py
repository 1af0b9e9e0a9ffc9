"""Tallies by hand: predictions to count, and what counting the rows one by one gives."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from astermind_lab.core.tally import Features, Observation, Tally
from astermind_lab.persistence import Prediction, Store
from astermind_lab.persistence.prediction_rows import record_of, ticks
from astermind_lab.persistence.tally_rows import FINER, LENGTHS, read_tally

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def some(rng: random.Random, spread: timedelta = timedelta(hours=30)) -> Prediction:
    """A prediction of the model ``m`` at some time from NOON on."""
    return Prediction(
        model_id="m",
        version=rng.choice([None, "v1", "v2"]),
        input="text",
        prediction=rng.choice("abc"),
        confidence=rng.random(),
        ground_truth=rng.choice([None, *"abc"]),
        latency_ms=rng.choice([None, rng.lognormvariate(0, 2)]),
        timestamp=NOON + rng.random() * spread,
        features=Features("map", bytes(rng.randrange(256) for _ in range(8))),
    )


def observed(row: Prediction) -> Observation:
    """A logged prediction as it counts."""
    _, _, n, writer = record_of(row.record_id).id
    return Observation(
        row.ground_truth,
        row.prediction,
        row.confidence,
        row.latency_ms,
        ticks(row.timestamp),
        row.features,
        zlib.crc32(f"{n} {writer}".encode()) & 1,
    )


def recount(
    store: Store, start: datetime | None = None, end: datetime | None = None, model_id: str = "m"
) -> dict[str | None, Tally]:
    """The tallies by reading every row."""
    by_version: dict[str | None, list[Observation]] = {}
    for row in store.predictions.window(model_id, start, end):
        by_version.setdefault(row.version, []).append(observed(row))
    return {version: Tally.of(rows) for version, rows in by_version.items()}


def figures(tally: Tally) -> dict[str, object]:
    """All that a tally says, without its bounds."""
    features = {
        name: (sums.n.tolist(), sums.sums.tolist(), sums.products.tolist())
        for name, sums in tally.features.items()
    }
    rest = {k: v for k, v in vars(tally).items() if k not in ("first", "last", "features")}
    return {**rest, "features": features}


def agree(
    store: Store, start: datetime | None = None, end: datetime | None = None, model_id: str = "m"
) -> bool:
    """Whether a window is what its rows add up to."""
    found = store.tallies.window(model_id, start, end, features=True).by_version
    counted = recount(store, start, end, model_id)
    return {v: figures(t) for v, t in found.items()} == {v: figures(t) for v, t in counted.items()}


def miscounted(store: Store, model_ids: Iterable[str] = ("m",)) -> list[object]:
    """The stretches of time of which the tally is not what the rows add up to."""
    wrong: list[object] = []
    for model_id in model_ids:
        rows = store._connection.first("SELECT * FROM metrics WHERE model_id = $m", m=model_id)
        found: dict[tuple[str, int, str], Tally] = {}
        opened = set()
        for kept in rows:
            _, level, start, version, _ = kept["id"].id
            found.setdefault((level, start, version), Tally()).add(read_tally(kept))
            if kept["fine"]:
                opened.add((level, start, version))
        counted: dict[tuple[str, int, str], list[Observation]] = {}
        for row in store.predictions.window(model_id):
            one, version = observed(row), row.version or ""
            around = ""
            for level, length in LENGTHS.items():
                place = level, one.at // length * length, version
                if level in FINER.values():
                    longer = LENGTHS[around]
                    if (around, one.at // longer * longer, version) not in opened:
                        break
                counted.setdefault(place, []).append(one)
                around = level
        nothing = Tally()
        for place in counted.keys() | found.keys():
            by_hand = Tally.of(counted.get(place, []))
            if figures(found.get(place, nothing)) != figures(by_hand):
                wrong.append((model_id, *place))
    return wrong
