"""The prediction log: what was asked, what was answered, and what was right.

A row's id is ``predictions:[model_id, microseconds, n, writer]``, so the log of one model lies
together and in time order: a window is one range of keys, read without an index. The time stands
there as microseconds since 1970, because the engine sorts datetimes wrongly in keys and indexes:
whole seconds come after their own fractions. ``n`` and ``writer`` are made here, which keeps ids
unique without asking the database.

Whatever comes, changes or goes is counted in the tallies by the same transaction; see
``counted.py``. Figures over a window are read from them, and from rows only at its ragged ends.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from surrealdb import RecordID

from astermind_lab.clock import Clock
from astermind_lab.errors import InvalidInput
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.counted import Change, CountedWrites, KeyTaken, Moved
from astermind_lab.persistence.listing import Page, newest
from astermind_lab.persistence.logged import Prediction, checked, read_prediction
from astermind_lab.persistence.prediction_rows import (
    check_window,
    key_record,
    keys,
    observation,
    record_of,
    ticks,
)
from astermind_lab.persistence.sampling import Sampled, spread
from astermind_lab.persistence.slices import count_records, slices
from astermind_lab.persistence.tally_rows import Counted
from astermind_lab.persistence.values import check_id, record_name
from astermind_lab.persistence.wanted import Cursor, Wanted

__all__ = [
    "Prediction",
    "PredictionRepository",
    "added",
    "without_known",
]

_CHUNK_ROWS = 1_500
_PAGE_ROWS = 2_000
_A_DAY = 86_400_000_000  # microseconds
_LONG_AGO = ticks(datetime(2000, 1, 1, tzinfo=UTC))
_NUMBERS = 2**62


Row = dict[str, Any]
_NOTHING = Change()


class PredictionRepository:
    """The log of predictions of all models."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._writer = uuid.uuid4().hex
        self._numbers = itertools.count()
        self.counted = CountedWrites(connection, self._writer)
        self._noted: set[str] = set()  # models that stand in monitored_models

    def prepare(self, rows: Sequence[Prediction]) -> list[Row]:
        """Rows with their ids, checked and ready to be written; nothing is written yet.

        Raises InvalidInput, which names the field and the row.
        """
        return [self._row(place, row) for place, row in enumerate(rows)]

    def add_many(self, rows: Sequence[Prediction]) -> list[str]:
        """Log predictions; returns their record ids. Durable on return.

        All rows are checked before the first is written: InvalidInput names the field and row. A
        prediction whose key is in the log already is not logged again; its id is that of the first.
        """
        prepared = self.prepare(rows)
        chunks = [
            prepared[start : start + _CHUNK_ROWS] for start in range(0, len(prepared), _CHUNK_ROWS)
        ]
        return [name for chunk in chunks for name in self.store(chunk)]

    def store(self, rows: Sequence[Row], also: Change = _NOTHING) -> list[str]:
        """Write prepared rows, and what else is to be done, in one transaction; their record ids.

        A row whose key is taken is left out, and the id of the row that has it is given instead.
        Raises Moved, StoreError.
        """
        taken: dict[tuple[str, str], str] = {}
        while True:
            fresh = without_known(rows, taken)
            try:
                self.commit(fresh, also)
            except KeyTaken:
                taken.update(self.taken(fresh))
                continue
            known = {pair: record_name(row["id"]) for row in fresh if (pair := _pair(row))}
            known.update(taken)
            return [_known_as(row, known) for row in rows]

    def commit(self, rows: Sequence[Row], also: Change = _NOTHING) -> None:
        """Write prepared rows, and what else is to be done, in one transaction.

        Raises KeyTaken, Moved, StoreError.
        """
        models = {row["model_id"] for row in rows} - self._noted
        more = [*also.more, *map(note, models)]
        counted = added(also.counted, rows)
        self.counted.commit(replace(also, rows=rows, counted=counted, more=more))
        self._noted |= models

    def taken(self, rows: Sequence[Row]) -> dict[tuple[str, str], str]:
        """The models and keys of rows that are in the log already, with the ids there."""
        return self._names([pair for row in rows if (pair := _pair(row))])

    def models(self) -> list[str]:
        """The models that predictions were ever logged of, in order."""
        rows: list[str] = self._connection.first("SELECT VALUE model_id FROM monitored_models")
        return sorted(rows)

    def by_keys(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Row]:
        """The rows of these models and keys, as far as they are in the log."""
        names = self._names(pairs)
        if not names:
            return {}
        rows = self._connection.first(
            "SELECT * FROM $records WHERE id != NONE",
            records=[record_of(name) for name in names.values()],
        )
        there = {record_name(row["id"]): row for row in rows}
        return {pair: there[name] for pair, name in names.items() if name in there}

    def _names(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The ids of the predictions that have these keys."""
        if not pairs:
            return {}
        rows = self._connection.first(
            "SELECT * FROM $records WHERE id != NONE",
            records=[key_record(*pair) for pair in pairs],
        )
        return {tuple(row["id"].id): row["prediction_id"] for row in rows}

    def window(
        self,
        model_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        version: str | None = None,
    ) -> Iterator[Prediction]:
        """The predictions from ``start`` to ``end``, both included, in time order, page by page."""
        check_id("model_id", model_id)
        since, until = check_window(start, end)
        if version is not None:
            check_id("version", version)
        return self._read(model_id, since, until, version)

    def count(
        self, model_id: str, start: datetime | None = None, end: datetime | None = None
    ) -> int:
        """How many predictions are in the window."""
        check_id("model_id", model_id)
        since, until = check_window(start, end)
        return self._count([model_id, since], [model_id, until, []])

    def newest(
        self,
        model_id: str,
        wanted: Wanted,
        start: datetime | None = None,
        end: datetime | None = None,
        before: Cursor | None = None,
        limit: int = 50,
    ) -> Page:
        """The newest predictions of some kind in the window, both ends included.

        before : where the page before ended     limit : how many at the most
        Where a text is searched for, a page may be short though there are more; see ``listing.py``.
        """
        check_id("model_id", model_id)
        since, until = check_window(start, end)
        ends = Cursor(until + 1)
        if before is not None and before.at <= until:
            ends = before
        return newest(self._connection, model_id, wanted, since, ends, limit)

    def spread(
        self,
        model_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        versions: Collection[str] | None = None,
        most: int = 5_000,
    ) -> list[Sampled]:
        """At most so many predictions of the window, spread evenly over it; see ``sampling.py``."""
        check_id("model_id", model_id)
        since, until = check_window(start, end)
        wanted = Wanted(versions=versions)
        return spread(self._connection, model_id, wanted, since, until + 1, most)

    def find(self, name: str) -> Prediction | None:
        """The prediction of a record id; raises InvalidInput("prediction_id")."""
        rows = self._connection.first("SELECT * FROM $record", record=record_of(name))
        return read_prediction(rows[0]) if rows else None

    def find_key(self, model_id: str, key: str) -> Prediction | None:
        """The prediction of a model that was logged under a key."""
        pair = check_id("model_id", model_id), check_id("key", key)
        row = self.by_keys([pair]).get(pair)
        return None if row is None else read_prediction(row)

    def delete(
        self, model_id: str, start: datetime | None = None, end: datetime | None = None
    ) -> int:
        """Delete the predictions of a window, out of all figures too; returns how many."""
        check_id("model_id", model_id)
        since, until = check_window(start, end)
        deleted = 0
        for low, high in self._pages(model_id, since, until):
            while True:
                rows = self._connection.first("SELECT * FROM $range", range=keys(low, high))
                gone = [(row["id"], row.get("ground_truth")) for row in rows]
                named = [key_record(*pair) for row in rows if (pair := _pair(row))]
                change = Change(gone=gone, counted=added((), rows, -1), settled=named)
                with suppress(Moved):  # somebody changed one of them: look again
                    self.counted.commit(change)
                    break
            deleted += len(rows)
        return deleted

    def _read(
        self, model_id: str, since: int, until: int, version: str | None
    ) -> Iterator[Prediction]:
        for low, high in self._pages(model_id, since, until):
            rows = self._connection.first("SELECT * FROM $range", range=keys(low, high))
            for row in rows:
                if version is None or row.get("version") == version:
                    yield read_prediction(row)

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
        soon = ticks(self._clock.now()) + _A_DAY
        if since < _LONG_AGO < until and not self._count(
            [model_id, since], [model_id, _LONG_AGO, []]
        ):
            since = _LONG_AGO
        if since < soon < until and not self._count([model_id, soon], [model_id, until, []]):
            until = soon
        return since, until

    def _count(self, low: list[Any], high: list[Any]) -> int:
        return count_records(self._connection, keys(low, high))

    def _row(self, place: int, row: Prediction) -> Row:
        try:
            fields = checked(row)
        except InvalidInput as problem:
            raise InvalidInput(
                problem.argument or "rows",
                f"{str(problem).partition(': ')[2]} (row {place}; nothing was logged)",
            ) from None
        moment = ticks(fields["timestamp"])
        key = [fields["model_id"], moment, next(self._numbers), self._writer]
        return {"id": RecordID("predictions", key), **fields}


def added(counted: Iterable[Counted], rows: Iterable[Row], sign: int = 1) -> list[Counted]:
    """Predictions that come into the tallies or go, and more of them: these come, or go (-1)."""
    more = [Counted(row["model_id"], row.get("version"), observation(row), sign) for row in rows]
    return [*counted, *more]


def without_known(rows: Sequence[Row], taken: Container[tuple[str, str]]) -> list[Row]:
    """Of rows with one key the first, and none whose key is taken."""
    seen: set[tuple[str, str]] = set()
    fresh = []
    for row in rows:
        pair = _pair(row)
        if pair is None:
            fresh.append(row)
        elif pair not in taken and pair not in seen:
            fresh.append(row)
            seen.add(pair)
    return fresh


def _pair(row: Row) -> tuple[str, str] | None:
    key = row.get("key")
    return None if key is None else (row["model_id"], key)


def note(model_id: str) -> Row:
    """The row that says that predictions of a model were logged."""
    return {"id": RecordID("monitored_models", [model_id]), "model_id": model_id}


def _known_as(row: Row, names: Mapping[tuple[str, str], str]) -> str:
    pair = _pair(row)
    return record_name(row["id"]) if pair is None else names[pair]
