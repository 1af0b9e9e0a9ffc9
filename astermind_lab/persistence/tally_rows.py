"""Tallies as rows of the table ``metrics``: where they stand, and how they are written.

Every prediction counts in a minute, ten minutes, an hour and a day of its model and version. A
minute that gets crowded is opened: its predictions then count in stretches of 6 s as well, and in
crowded ones of these again in shorter ones. So a window, wherever it begins and ends, is put
together from few tallies and few rows. A tally that is open says so in ``fine``; all that it holds
is in its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from surrealdb import BoundExcluded, BoundIncluded, Range, RecordID

from astermind_lab.core.tally import Observation, Tally
from astermind_lab.core.tally_bytes import Cells, Packed, UnknownFormat, add_up, cells_of, pack
from astermind_lab.errors import StoreError, shown
from astermind_lab.persistence.prediction_rows import moment

__all__ = [
    "CROWDED",
    "FINER",
    "LENGTHS",
    "MINUTE",
    "Bucket",
    "Counted",
    "Piece",
    "cover",
    "cut",
    "read_cells",
    "read_tallies",
    "read_tally",
    "write_tally",
]

MINUTE = 60_000_000
LENGTHS: Mapping[str, int] = {
    "d": 1440 * MINUTE,
    "h": 60 * MINUTE,
    "10m": 10 * MINUTE,
    "m": MINUTE,
    "6s": 6_000_000,
    "600ms": 600_000,
    "60ms": 60_000,
}
"""Level → microseconds."""
FINER: Mapping[str, str] = {"m": "6s", "6s": "600ms", "600ms": "60ms"}
CROWDED = 200
"""Predictions from which on a tally is opened."""


class Counted(NamedTuple):
    """A prediction that comes (sign 1) or goes (-1)."""

    model_id: str
    version: str | None
    seen: Observation
    sign: int = 1


class Bucket(NamedTuple):
    """A stretch of time of one version. start : microseconds since 1970"""

    model_id: str
    level: str
    start: int
    version: str | None

    def record(self, shard: int) -> RecordID:
        """The row that a writer adds to."""
        key = [self.model_id, self.level, self.start, self.version or "", shard]
        return RecordID("metrics", key)


class Piece(NamedTuple):
    """A stretch of time, [low, high) in microseconds. level : of its tallies; "" are the rows."""

    level: str
    low: int
    high: int

    def records(self, model_id: str) -> RecordID:
        """The range of tallies."""
        low, high = [model_id, self.level, self.low], [model_id, self.level, self.high]
        return RecordID("metrics", Range(BoundIncluded(low), BoundExcluded(high)))

    def around(self, level: str) -> Piece:
        """The bucket of a level in which this stretch lies."""
        start = self.low // LENGTHS[level] * LENGTHS[level]
        return Piece(level, start, start + LENGTHS[level])


def cover(low: int, high: int) -> list[Piece]:
    """[low, high) in microseconds as days, hours, (ten) minutes and, at ragged ends, rows.

    A piece of rows never reaches over the edge of a minute.

    >>> day, hour = LENGTHS["d"], LENGTHS["h"]
    >>> [piece.level for piece in cover(day - hour - 1, 3 * day + 2 * MINUTE)]
    ['', 'h', 'd', 'm']
    """
    return cut(low, high, ("d", "h", "10m", "m"))


def cut(low: int, high: int, levels: tuple[str, ...]) -> list[Piece]:
    """[low, high) as whole buckets of these levels, the longest first, and rows at its ends."""
    return [piece for piece in _cut(low, high, levels) if piece.low < piece.high]


def _cut(low: int, high: int, levels: tuple[str, ...]) -> list[Piece]:
    if not levels or low >= high:
        return [Piece("", low, high)]
    length = LENGTHS[levels[0]]
    first, last = -(-low // length) * length, high // length * length
    if first > last:
        return _cut(low, high, levels[1:])
    middle = Piece(levels[0], first, last)
    return [*_cut(low, first, levels[1:]), middle, *_cut(last, high, levels[1:])]


def write_tally(bucket: Bucket, shard: int, rev: int, tally: Tally, fine: bool) -> dict[str, Any]:
    """The row of a tally."""
    data, features = pack(tally)
    return {
        "id": bucket.record(shard),
        "model_id": bucket.model_id,
        "version": bucket.version,
        "level": bucket.level,
        "start": moment(bucket.start),
        "rev": rev,
        "fine": fine,
        "n": tally.n,
        "known": tally.known,
        "correct": tally.correct,
        "first": tally.first,
        "last": tally.last,
        "data": data,
        "features": features,
    }


def read_tallies(rows: Iterable[Mapping[str, Any]]) -> Tally:
    """The sum of the tallies of some rows. ``features`` may be left out where they do not matter.

    Raises StoreError for tallies of a later version.
    """
    try:
        return add_up(Packed(row["data"], row.get("features")) for row in rows)
    except UnknownFormat as problem:
        raise _newer(problem) from None


def read_cells(row: Mapping[str, Any]) -> Cells:
    """The cells of the tally of a row; raises StoreError for a tally of a later version."""
    try:
        return cells_of(row["data"])
    except UnknownFormat as problem:
        raise _newer(problem) from None


def _newer(problem: UnknownFormat) -> StoreError:
    return StoreError(f"the tallies were written by a newer version, {problem}")


def read_tally(row: Mapping[str, Any]) -> Tally:
    """The tally of a row."""
    if "data" not in row:
        raise StoreError(f"a tally without data was read: {shown(row.get('id'))}")
    return read_tallies([row])
