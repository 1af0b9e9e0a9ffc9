"""The newest predictions of some kind, found without reading the log.

    days ──► hours ──► ten minutes ──► minutes ──► parts of crowded ones ──► rows

The tallies of each level say which stretches hold predictions of that kind, and how many. Only
those are looked into, the newest first, and no more of them than a page needs; so the few of a rare
kind are found among a million as soon as the newest of all. What is in a text no tally knows: a
search looks through the rows of the stretches that are left, and breaks off after some 20,000.

The engine would read a whole range of keys before it gave the last of it, which is why the rows are
not simply asked for in reverse order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from surrealdb import BoundExcluded, BoundIncluded, Range, RecordID

from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.logged import Prediction, read_prediction
from astermind_lab.persistence.prediction_rows import moment, parts_of, record_of
from astermind_lab.persistence.retention import horizon
from astermind_lab.persistence.stretches import (
    AT_ONCE,
    COUNTS,
    Stretch,
    counted,
    joined,
    shorter,
    tallies_in,
)
from astermind_lab.persistence.tally_rows import LENGTHS, Piece
from astermind_lab.persistence.wanted import Cursor, Wanted

__all__ = ["Page", "newest"]

MOST_SEARCHED = 20_000  # rows that one call looks through for a text
_FIRST_SEARCHED = 1_000
_DAYS = 30  # whose cells are read at once
_DAY = LENGTHS["d"]


@dataclass(frozen=True)
class Page:
    """Some predictions, the newest first.

    following : where to go on; None where there is no more
    reached : from which moment on everything has been looked at; None is the window's beginning
    read : how many rows were looked at, about
    """

    predictions: Sequence[Prediction]
    following: Cursor | None
    reached: datetime | None
    read: int


def newest(
    connection: Connection,
    model_id: str,
    wanted: Wanted,
    low: int,
    until: Cursor,
    limit: int,
) -> Page:
    """The newest predictions from ``low``, in microseconds since 1970, to before ``until``.

    limit : at most so many; fewer, though there are more, only where a text is searched for
    """
    walk = _Walk(connection, model_id, wanted, max(low, horizon(connection)), until)
    found: list[Prediction] = []
    share = _FIRST_SEARCHED
    while len(found) <= limit:  # one more than is asked for tells whether there are more
        missing = limit + 1 - len(found)
        leaves = walk.take(missing if wanted.search is None else share)
        if not leaves:
            return Page(found, None, None, walk.read)
        found += walk.rows(leaves, missing)
        if wanted.search is not None and len(found) <= limit and walk.read >= MOST_SEARCHED:
            reached = max(leaves[-1].start, low)
            return Page(found, Cursor(reached), moment(reached), walk.read)
        share = min(2 * share, MOST_SEARCHED - walk.read)
    return _cut(found[:limit], walk.read)


def _cut(found: Sequence[Prediction], read: int) -> Page:
    last = found[-1]
    _, at, number, writer = parts_of(record_of(last.record_id))
    return Page(found, Cursor(at, number, writer), last.timestamp, read)


class _Walk:
    """Goes back through the tallies of a model."""

    def __init__(
        self, connection: Connection, model_id: str, wanted: Wanted, low: int, until: Cursor
    ) -> None:
        self._connection = connection
        self._model_id = model_id
        self._wanted = wanted
        self._low = low
        self._until = until
        self._end = until.at + (until.number is not None)
        self._days: list[int] = []  # whose cells have not been read, the newest last
        self._waiting: list[Stretch] = []  # the newest last
        self.read = 0
        self._begin()

    def _begin(self) -> None:
        """Look which days there are."""
        all_days = Piece("d", self._low // _DAY * _DAY, self._end)
        [rows] = tallies_in(self._connection, self._model_id, COUNTS, [all_days])
        days = counted("d", rows, self._wanted.at_most)
        if self._wanted.by_cells:
            self._days = [day.start for day in days]
        else:
            self._waiting = days

    def take(self, least: int) -> list[Stretch]:
        """The newest stretches that are to be read, which hold so many, or are all; newest first.

        least : wanted predictions; where a text is searched for, rows
        """
        while True:
            some = self._newest(least)
            coarse = [stretch for stretch in some if not stretch.is_leaf]
            if not coarse:
                self._waiting = self._waiting[: len(self._waiting) - len(some)]
                return some
            self._look_into(coarse[:AT_ONCE])

    def _newest(self, least: int) -> list[Stretch]:
        some: list[Stretch] = []
        weight = 0
        while weight < least:
            if len(some) < len(self._waiting):
                stretch = self._waiting[-1 - len(some)]
                some.append(stretch)
                weight += stretch.hits if self._wanted.search is None else stretch.n
            elif self._days:
                self._waiting = self._next_days() + self._waiting
            else:
                break
        return some

    def _next_days(self) -> list[Stretch]:
        self._days, some = self._days[:-_DAYS], self._days[-_DAYS:]
        span = Piece("d", some[0], some[-1] + 1)
        [rows] = tallies_in(self._connection, self._model_id, self._wanted.columns, [span])
        return counted("d", rows, self._wanted.in_cells)

    def _look_into(self, coarse: Sequence[Stretch]) -> None:
        """Put shorter stretches in the place of some that wait."""
        pieces = [one.inside for one in coarse]
        answers = tallies_in(self._connection, self._model_id, self._wanted.columns, pieces)
        parts = {
            one: [p for p in shorter(one, rows, self._wanted.in_cells) if self._is_inside(p)]
            for one, rows in zip(coarse, answers, strict=True)
        }
        self._waiting = [part for one in self._waiting for part in parts.get(one, [one])]

    def _is_inside(self, part: Stretch) -> bool:
        return part.stop > self._low and part.start < self._end

    def rows(self, leaves: Sequence[Stretch], most: int) -> list[Prediction]:
        """What is wanted in some stretches, newest first; no more than it takes for ``most``."""
        found: list[Prediction] = []
        waiting = list(leaves)
        while waiting and len(found) < most:
            some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            self.read += sum(leaf.n for leaf in some)
            found += self._read(list(joined(some)), most - len(found))
        return found

    def _read(self, ranges: Sequence[tuple[int, int]], most: int) -> list[Prediction]:
        text = f"WHERE {self._wanted.condition()} ORDER BY id DESC LIMIT $most"
        bound = {f"r{place}": self._between(*ends) for place, ends in enumerate(ranges)}
        asked = ", ".join(f"(SELECT * OMIT features FROM ${name} {text})" for name in bound)
        answer = self._connection.first(
            f"RETURN [{asked}]", most=most, **bound, **self._wanted.bound()
        )
        return [read_prediction(row) for rows in answer for row in rows]

    def _between(self, low: int, high: int) -> RecordID:
        until = self._until.key(self._model_id) if high > self._until.at else [self._model_id, high]
        start = BoundIncluded([self._model_id, max(low, self._low)])
        return RecordID("predictions", Range(start, BoundExcluded(until)))
