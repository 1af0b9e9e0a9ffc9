"""The rows of the prediction log: their keys, their times, and how they count."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from surrealdb import BoundIncluded, Range, RecordID

from astermind_lab.core.tally import Features, Observation
from astermind_lab.errors import InvalidInput, shown
from astermind_lab.persistence.values import check_moment, record_name

__all__ = [
    "between",
    "check_window",
    "features_of",
    "key_record",
    "key_row",
    "keys",
    "model_of",
    "moment",
    "observation",
    "parts_of",
    "record_of",
    "ticks",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _TICK
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) - _EPOCH) // _TICK


def observation(row: Mapping[str, Any]) -> Observation:
    """A row as the tallies count it."""
    _, moment, n, writer = row["id"].id
    return Observation(
        truth=row.get("ground_truth"),
        predicted=row["prediction"],
        confidence=row["confidence"],
        latency_ms=row.get("latency_ms"),
        at=moment,
        features=features_of(row),
        fold=zlib.crc32(f"{n} {writer}".encode()) & 1,
    )


def features_of(row: Mapping[str, Any]) -> Features | None:
    """The drift features of a row, if it has any and they were asked for."""
    values = row.get("features")
    return None if values is None else Features(row["made_by"], bytes(values))


def record_of(name: object) -> RecordID:
    """The record of an id that ``add_many`` gave; raises InvalidInput("prediction_id")."""
    if isinstance(name, str) and name.startswith("predictions:["):
        with suppress(ValueError):
            parts = json.loads(name.removeprefix("predictions:"))
            kinds = [type(part) for part in parts]
            if kinds == [str, int, int, str] and max(map(abs, parts[1:3])) < 2**63:
                return RecordID("predictions", parts)
    raise InvalidInput(
        "prediction_id", f"{shown(name)} is no id that log_prediction or predict gave"
    )


def model_of(name: object) -> str:
    """The model of a prediction's id; raises InvalidInput("prediction_id")."""
    return str(parts_of(record_of(name))[0])


def parts_of(record: RecordID) -> tuple[Any, ...]:
    """The parts of a record id that is made of parts."""
    parts: Any = record.id
    return tuple(parts)


def check_window(start: datetime | None, end: datetime | None) -> tuple[int, int]:
    since = _FIRST if start is None else ticks(check_moment("start", start))
    until = _LAST if end is None else ticks(check_moment("end", end))
    if since > until:
        raise InvalidInput("start", f"{start} is after the end of the window, {end}")
    return since, until


def keys(low: list[Any], high: list[Any]) -> RecordID:
    """The records from ``low`` to ``high``; an empty list in a key sorts after any other part."""
    return RecordID("predictions", Range(BoundIncluded(low), BoundIncluded(high)))


def key_record(model_id: str, key: str) -> RecordID:
    """Where it stands which prediction of a model has a key of the user's."""
    return RecordID("prediction_keys", [model_id, key])


def key_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row that says so of a prediction with a key."""
    record = key_record(row["model_id"], row["key"])
    return {"id": record, "prediction_id": record_name(row["id"]), "at": row["id"].id[1]}


def between(model_id: str, low: int, high: int) -> RecordID:
    """The predictions of a model in [low, high), microseconds since 1970."""
    return keys([model_id, low], [model_id, high - 1, []])


def ticks(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _TICK


def moment(at: int) -> datetime:
    """The inverse of ``ticks``."""
    return _EPOCH + timedelta(microseconds=at)
