"""A store with something of everything, and all that is in a store, for tests of backups."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from surrealdb import RecordID

from astermind_lab.persistence import EmbeddingItem, NewModelVersion, Prediction, Store
from astermind_lab.persistence import models as models_module
from astermind_lab.persistence.backup import BackupSummary, backup
from astermind_lab.persistence.restore import RestoreSummary, restore

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
HARD = [
    'it\'s "quoted" `and` \\ escaped',
    "日本語 🦊 e\u0301",
    "null \0 byte\r\n\u2028",
    "sign_in",
    "{} [] $x -- 123",
    "x" * 10_000,
]
MIXED = {"null": None, "whole": 2**53 + 1, "real": 1.0, "deep": [{"a": [None, True]}], "": "e"}
PART_BYTES = 40_000
BIG = b"\0\1\2" * PART_BYTES  # three parts


def fill(store: Store) -> None:
    """Put something of every kind into the store, some of it twice, and take some away again."""
    for text in HARD:
        rows = [(text, "a"), ("other", text), (text, "a")]
        store.datasets.add(text, rows, {"text": text, **MIXED})
        store.models.add(_version(text, text, tags=[text], metadata=MIXED), text.encode())
        item = EmbeddingItem(text, text, [1.0, -0.25, 1e-7], MIXED)
        store.embeddings.add(text, [item, EmbeddingItem("1", "t", [0.5, 0.1, 3.0])], text, "layer")
    store.datasets.add("many", ((f"text {n}", f"{n % 3}") for n in range(1_700)))
    with patch.object(models_module, "PART_BYTES", PART_BYTES):
        store.models.add(_version("m", "v1"), BIG)
    store.models.add(_version("m", "v3"), b"three")
    store.models.add(_version("m", "v2"), b"two")
    store.models.set_alias("m", "champion", "v1")
    store.models.set_alias("m", "champion", "v3")
    store.models.add(_version("m", "gone"), b"gone")
    store.models.delete("m", "gone")
    for name in ("passing", "passing too"):
        store.datasets.add(name, [("a", "b")])
        store.datasets.delete(name)
    store.predictions.add_many([_prediction(number) for number in range(1_098)])
    ends = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    store.predictions.add_many([replace(_prediction(0), timestamp=when) for when in ends])
    connection = store._connection
    for key in (1, "text", ["a", 2]):
        record = RecordID("jobs", key)
        connection.write(
            "CREATE $r SET at = time::now(), every = 90s, price = 1.50dec, other = $r",
            r=record,
        )


def _version(model_id: str, version: str, **more: Any) -> NewModelVersion:
    return NewModelVersion(model_id, version, "elm-ridge", ["a", "b"], 3, **more)


def _prediction(number: int) -> Prediction:
    text = HARD[number % len(HARD)][:50]
    return Prediction(
        model_id=text if number % 2 else "m",
        version=None if number % 3 else text,
        input=f"{text} {number}",
        prediction="a",
        confidence=1.0 if number % 5 else 0.1,
        ground_truth="b" if number % 4 else None,
        latency_ms=None if number % 7 else 0.25,
        timestamp=NOW + timedelta(milliseconds=number * 250),
        metadata=MIXED if number % 10 == 0 else {},
    )


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Every row of the store, but for what says who wrote when, and what migrations ran."""
    found = {}
    for table in store._connection.first("INFO FOR DB")["tables"]:
        if table in ("_beacon", "_migration", "_receipts"):
            continue
        rows = store._connection.first(f"SELECT * FROM {table}")
        kept = [row for row in rows if row["id"].id != "sign_in" or table != "_counter"]
        found[table] = [{k: v for k, v in row.items() if k != "touched"} for row in kept]
    return found


def saved(store: Store, path: Path) -> BackupSummary:
    """A backup of the store."""
    return backup(store._connection, path, NOW)


def brought_back(store: Store, path: Path) -> RestoreSummary:
    """The store, which is empty, filled from a backup."""
    return restore(store._connection, path, NOW)
