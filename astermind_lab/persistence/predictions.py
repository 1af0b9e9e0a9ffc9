"""The prediction log: what was asked, what was answered, and what was right.

A row's id is ``predictions:[model_id, microseconds, n, writer]``, so the log of one model lies
together and in time order: a window is one range of keys, counted and aggregated without an index.
The time stands there as microseconds since 1970, because the engine sorts datetimes wrongly in keys
and indexes: whole seconds come after their own fractions. ``n`` and ``writer`` are made here, which
keeps ids unique without asking the database.
"""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from surrealdb import BoundIncluded, Range, RecordID

from astermind_lab.clock import Clock
from astermind_lab.errors import InvalidInput, StoreError, shown
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.slices import slices
from astermind_lab.persistence.values import (
    check_id,
    check_moment,
    check_object,
    check_text,
    from_database,
    plain_moment,
    record_name,
)

__all__ = ["Prediction", "PredictionRepository"]

_CHUNK_ROWS = 1_500
_PAGE_ROWS = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_A_DAY = timedelta(days=1) // _TICK
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _TICK
_LONG_AGO = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // _TICK
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) - _EPOCH) // _TICK
_NUMBERS = 2**62


@dataclass(frozen=True)
class Prediction:
    """One logged prediction; ``timestamp`` is aware, ``confidence`` between 0 and 1."""

    model_id: str
    version: str | None
    input: str
    prediction: str
    confidence: float
    ground_truth: str | None
    latency_ms: float | None
    timestamp: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    record_id: str | None = None


class PredictionRepository:
    """The log of predictions of all models."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._writer = uuid.uuid4().hex
        self._numbers = itertools.count()

    def add_many(self, rows: Sequence[Prediction]) -> list[str]:
        """Log predictions; returns their record ids. Durable on return.

        All rows are checked before the first is written: InvalidInput names the field and row.
        """
        stored = [self._row(place, row) for place, row in enumerate(rows)]
        for start in range(0, len(stored), _CHUNK_ROWS):
            self._connection.insert("predictions", stored[start : start + _CHUNK_ROWS])
        return [record_name(row["id"]) for row in stored]

    def window(
        self,
        model_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        version: str | None = None,
    ) -> Iterator[Prediction]:
        """The predictions from ``start`` to ``end``, both included, in time order, page by page."""
        check_id("model_id", model_id)
        since, until = _check_window(start, end)
        if version is not None:
            check_id("version", version)
        return self._read(model_id, since, until, version)

    def count(
        self, model_id: str, start: datetime | None = None, end: datetime | None = None
    ) -> int:
        """How many predictions are in the window."""
        check_id("model_id", model_id)
        since, until = _check_window(start, end)
        return self._count([model_id, since], [model_id, until, []])

    def counts(
        self, model_id: str, start: datetime | None = None, end: datetime | None = None
    ) -> list[tuple[str | None, str, int]]:
        """(truth, predicted, n) for each pair that occurs; truth is None where it is not known."""
        check_id("model_id", model_id)
        since, until = _check_window(start, end)
        rows = self._connection.first(
            "SELECT ground_truth, prediction, count() AS n FROM $range "
            "GROUP BY ground_truth, prediction",
            range=_keys([model_id, since], [model_id, until, []]),
        )
        found = [(row.get("ground_truth"), row["prediction"], row["n"]) for row in rows]
        return sorted(found, key=lambda pair: (pair[0] is None, pair[0] or "", pair[1]))

    def _read(
        self, model_id: str, since: int, until: int, version: str | None
    ) -> Iterator[Prediction]:
        for low, high in self._pages(model_id, since, until):
            rows = self._connection.first("SELECT * FROM $range", range=_keys(low, high))
            for row in rows:
                if version is None or row.get("version") == version:
                    yield _read_prediction(row)

    def _pages(
        self, model_id: str, since: int, until: int
    ) -> Iterator[tuple[list[Any], list[Any]]]:
        """Key ranges of at most a page, in order: cut by time, or by number within one moment."""

        def in_time(low: int, high: int) -> int:
            return self._count([model_id, low], [model_id, high - 1, []])

        since, until = self._narrowed(model_id, since, until)
        for low, high, n in slices(in_time, since, until + 1, _PAGE_ROWS):
            if n <= _PAGE_ROWS:
                yield [model_id, low], [model_id, high - 1, []]
            else:
                yield from self._pages_of_moment(model_id, low)

    def _pages_of_moment(self, model_id: str, moment: int) -> Iterator[tuple[list[Any], list[Any]]]:
        def numbered(low: int, high: int) -> int:
            return self._count([model_id, moment, low], [model_id, moment, high - 1, []])

        for low, high, _ in slices(numbered, 0, _NUMBERS, _PAGE_ROWS):
            yield [model_id, moment, low], [model_id, moment, high - 1, []]

    def _narrowed(self, model_id: str, since: int, until: int) -> tuple[int, int]:
        """An open window without its empty ends: two cheap counts that spare many dear ones."""
        soon = _ticks(self._clock.now()) + _A_DAY
        if since < _LONG_AGO < until and not self._count(
            [model_id, since], [model_id, _LONG_AGO, []]
        ):
            since = _LONG_AGO
        if since < soon < until and not self._count([model_id, soon], [model_id, until, []]):
            until = soon
        return since, until

    def _count(self, low: list[Any], high: list[Any]) -> int:
        rows = self._connection.first(
            "SELECT count() FROM $range GROUP ALL", range=_keys(low, high)
        )
        return int(rows[0]["count"]) if rows else 0

    def _row(self, place: int, row: Prediction) -> dict[str, Any]:
        try:
            fields = _checked(row)
        except InvalidInput as problem:
            raise InvalidInput(
                problem.argument or "rows",
                f"{str(problem).partition(': ')[2]} (row {place}; nothing was logged)",
            ) from None
        moment = _ticks(fields["timestamp"])
        key = [fields["model_id"], moment, next(self._numbers), self._writer]
        return {"id": RecordID("predictions", key), **fields}


def _checked(row: Prediction) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "model_id": check_id("model_id", row.model_id),
        "input": check_text("input", row.input),
        "prediction": check_text("prediction", row.prediction),
        "confidence": _check_number("confidence", row.confidence, most=1.0),
        "timestamp": check_moment("timestamp", row.timestamp),
        "metadata": check_object("metadata", row.metadata),
    }
    if row.version is not None:
        fields["version"] = check_id("version", row.version)
    if row.ground_truth is not None:
        fields["ground_truth"] = check_text("ground_truth", row.ground_truth)
    if row.latency_ms is not None:
        fields["latency_ms"] = _check_number("latency_ms", row.latency_ms, most=math.inf)
    return fields


def _check_number(argument: str, value: float, most: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, str | bool) or not math.isfinite(number) or not 0.0 <= number <= most:
        upto = f"between 0 and {most:g}" if math.isfinite(most) else "from 0 on"
        raise InvalidInput(argument, f"a number {upto} is needed, got {shown(value)}")
    return number


def _check_window(start: datetime | None, end: datetime | None) -> tuple[int, int]:
    since = _FIRST if start is None else _ticks(check_moment("start", start))
    until = _LAST if end is None else _ticks(check_moment("end", end))
    if since > until:
        raise InvalidInput("start", f"{start} is after the end of the window, {end}")
    return since, until


def _keys(low: list[Any], high: list[Any]) -> RecordID:
    """The records from ``low`` to ``high``; an empty list in a key sorts after any other part."""
    return RecordID("predictions", Range(BoundIncluded(low), BoundIncluded(high)))


def _ticks(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _TICK


def _read_prediction(row: dict[str, Any]) -> Prediction:
    record = row["id"]
    if not isinstance(record, RecordID):
        raise StoreError(f"a prediction without a record id was read: {shown(record)}")
    return Prediction(
        model_id=row["model_id"],
        version=row.get("version"),
        input=row["input"],
        prediction=row["prediction"],
        confidence=row["confidence"],
        ground_truth=row.get("ground_truth"),
        latency_ms=row.get("latency_ms"),
        timestamp=plain_moment(row["timestamp"]),
        metadata=from_database(row["metadata"]),
        record_id=record_name(record),
    )
