"""The change feed of a database: what was written, in the order in which it was written.

Every table that is defined with a CHANGEFEED adds its changes to the one feed of its database. Two
things about it decide how it has to be read:

* LIMIT counts the transactions of all tables, also when one table is asked for. So the whole feed
  is read, and whoever wants one table picks it out; else a quiet table in a busy database would
  answer "nothing" for ever. A page can be shorter than the limit though more follows: only an empty
  one is the end.
* A stamp is given when a transaction is committed, a moment before others can see it. Under load a
  reader that only looks forward misses changes. So the feed is read while nothing is being written
  (``turns.py``), which holds for a database with one owner: in process, and in the local engine.
  Of a server nobody can say that; ``feed.py`` reads the last seconds again there.
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
    "millisecond_of_stamp",
    "read_sets",
    "show_changes",
    "stamp_of_millisecond",
]

# The engine gives no more, whatever the limit.
MOST_SETS = 1_000

_COUNTER_BITS = 16


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
    """What one transaction changed; ``stamp`` grows from one transaction to the next."""

    stamp: int
    changes: Sequence[Change]


def show_changes(since: int, limit: int) -> str:
    """The statement that reads the feed from ``since`` on, itself included."""
    return f"SHOW CHANGES FOR DATABASE SINCE {since:d} LIMIT {min(limit, MOST_SETS):d}"


def read_sets(rows: Sequence[dict[str, Any]]) -> list[ChangeSet]:
    """What the statement answered; definitions of tables are left out, their stamps stay."""
    return [
        ChangeSet(
            row["versionstamp"],
            [change for entry in row["changes"] if (change := _read(entry)) is not None],
        )
        for row in rows
    ]


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
    """The millisecond since 1970 in which a stamp was given."""
    return stamp >> _COUNTER_BITS
