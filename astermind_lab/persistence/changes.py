"""The change feed of a database: what was written, in the order in which it was written.

Every table that is defined with a CHANGEFEED adds its changes to the one feed of its database. Two
things about it decide how it has to be read:

* LIMIT counts every table that a transaction changed, whichever table is asked for. So the whole
  feed is read, and whoever wants one table picks it out; else a quiet table in a busy database
  would answer "nothing" for ever. A page can hold fewer transactions than the limit though more
  follow: only an empty one is the end. And it can end in the middle of a transaction, which is
  then left for the next page.
* A stamp is given when a transaction is committed, a moment before others can see it. Under load a
  reader that only looks forward misses changes. So the feed is read while nothing is being written
  (``turns.py``), which holds for a database with one owner: in process, and in the local engine.
  Of a server nobody can say that; ``feed.py`` reads the last seconds again there.
* A stamp is the time of day. After the clock was set back, new changes stand before old ones. So
  whoever opens the database notes the stamps that are still to come (``clock_jumps.py``), and what
  is written from then on is a generation of its own, read after the one before it. A position in
  the feed is one number: the generation, and below it the stamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from surrealdb import RecordID

__all__ = [
    "MOST_SETS",
    "Change",
    "ChangeSet",
    "Generations",
    "Jump",
    "millisecond_of_stamp",
    "read_sets",
    "show_changes",
    "stamp_of_millisecond",
]

# The engine gives no more, whatever the limit. No transaction of ours changes more tables than the
# smallest limit, so that one page always holds a whole one.
MOST_SETS = 1_000
_LEAST = 8

_COUNTER_BITS = 16
_STAMP_BITS = 64


@dataclass(frozen=True, slots=True)
class Change:
    """One record that was created, updated or deleted.

    data : the record as it is now, of a deleted one as it last was
    undo : of an update, the patches that lead back to the record as it was before
    """

    action: str
    record: RecordID
    data: dict[str, Any]
    undo: Sequence[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What one transaction changed; ``stamp`` is its position, which grows from one to the next."""

    stamp: int
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Jump:
    """The clock was set back: from stamp ``since`` on, all but the ``earlier`` ones are new."""

    since: int
    earlier: frozenset[int]


class Generations:
    """Which generation a change is of, where the clock was set back; without jumps there is one.

    >>> clock = Generations([Jump(since=50, earlier=frozenset({70, 80}))])
    >>> [clock.generation_of(stamp) for stamp in (40, 60, 70, 80, 90)]
    [0, 1, 0, 0, 1]
    """

    def __init__(self, jumps: Sequence[Jump] = ()) -> None:
        self._jumps = jumps

    def generation_of(self, stamp: int) -> int:
        """The generation of a stamp, counted from 0."""
        for number, jump in reversed(list(enumerate(self._jumps, start=1))):
            if stamp >= jump.since and stamp not in jump.earlier:
                return number
        return 0

    def newest(self, stamp: int) -> int:
        """The position of a stamp in the last generation."""
        return _position(len(self._jumps), stamp)

    def step(self, since: int, sets: Sequence[ChangeSet]) -> tuple[list[ChangeSet], int | None]:
        """What of a page is of the generation read, and where to read on; None at the end.

        since : the position that the page was read from
        """
        generation = since >> _STAMP_BITS
        if sets:
            mine = [
                ChangeSet(_position(generation, one.stamp), one.changes)
                for one in sets
                if not self._jumps or self.generation_of(one.stamp) == generation
            ]
            return mine, _position(generation, sets[-1].stamp + 1)
        if generation < len(self._jumps):
            return [], _position(generation + 1, self._jumps[generation].since)
        return [], None


def _position(generation: int, stamp: int) -> int:
    return generation << _STAMP_BITS | stamp


def show_changes(since: int, limit: int) -> str:
    """The statement that reads the feed from a position on, itself included."""
    stamp = since & ((1 << _STAMP_BITS) - 1)
    return f"SHOW CHANGES FOR DATABASE SINCE {stamp:d} LIMIT {_bounded(limit):d}"


def _bounded(limit: int) -> int:
    return max(_LEAST, min(limit, MOST_SETS))


def read_sets(rows: Sequence[dict[str, Any]], limit: int) -> list[ChangeSet]:
    """The whole transactions in what the statement answered that was made with this limit.

    Definitions of tables are left out, their stamps stay.
    """
    if len(rows) > 1 and sum(map(_counted, rows)) >= _bounded(limit):
        rows = rows[:-1]
    return [
        ChangeSet(
            row["versionstamp"],
            [change for entry in row["changes"] if (change := _read(entry)) is not None],
        )
        for row in rows
    ]


def _counted(row: dict[str, Any]) -> int:
    """How much of the limit a transaction takes: one for each table it changed or defined."""
    changes = [_read(entry) for entry in row["changes"]]
    tables = {one.record.table_name for one in changes if one is not None}
    return max(1, len(tables) + sum(one is None for one in changes))


def _read(entry: dict[str, Any]) -> Change | None:
    if "current" in entry:
        return Change("update", entry["current"]["id"], entry["current"], entry["update"])
    if "update" in entry:
        return Change("create", entry["update"]["id"], entry["update"])
    if "delete" in entry:
        gone = entry["delete"]
        return Change("delete", gone["id"], gone.get("original") or {"id": gone["id"]})
    return None


def stamp_of_millisecond(moment: int) -> int:
    """The smallest stamp of a millisecond since 1970."""
    return moment << _COUNTER_BITS


def millisecond_of_stamp(stamp: int) -> int:
    """The millisecond since 1970 in which a stamp, or that of a position, was given."""
    return (stamp & ((1 << _STAMP_BITS) - 1)) >> _COUNTER_BITS
