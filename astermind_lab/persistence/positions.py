"""A position in the change feed, and what was written between two of them.

A position is that of a note that is written to find it: what was visible before the note is
at or before it in the feed. Where the feed is read while nothing is written (in process, and in the
local engine), what is at or before it is also all there. Any other server may show a change a
moment late, so there the position is left to settle, and reading starts earlier than it must.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from surrealdb import RecordID

from astermind_lab.errors import StoreError
from astermind_lab.persistence.changes import (
    Change,
    ChangeSet,
    Generations,
    read_sets,
    show_changes,
    stamp_of_millisecond,
)
from astermind_lab.persistence.clock_jumps import READ_JUMPS, generations
from astermind_lab.persistence.connection import Connection

__all__ = ["LATE_MS", "changes_between", "is_settled", "position"]

# How much later than its stamp a change may show up on a server.
LATE_MS = 30_000

_NOTE = RecordID("_beacon", "backup")
_FEW, _MANY = 8, 64
_ENOUGH_CHANGES = 1_000


def is_settled(connection: Connection) -> bool:
    """Whether the feed is complete up to a position as soon as that has been found."""
    target = connection.target
    return not target.is_server or target.data_dir is not None


def position(connection: Connection) -> int:
    """The position of now. Raises StoreError if the database does not keep the feed."""
    token = uuid.uuid4().hex
    began = int(connection.first("RETURN time::millis(time::now())"))
    connection.write("UPSERT $note SET token = $fresh RETURN NONE", note=_NOTE, fresh=token)
    since = _generations(connection).newest(stamp_of_millisecond(began))
    for found in _sets(connection, since):
        if any(one.record == _NOTE and one.data.get("token") == token for one in found.changes):
            return found.stamp
    raise StoreError(
        f"the database at {connection.target.url} does not report its changes, so no backup can be "
        "taken that is of one moment. Use SurrealDB 3.0, or 3.2 and newer"
    )


def changes_between(connection: Connection, after: int, upto: int) -> Iterator[list[Change]]:
    """What was written after one position, up to another, that one included; in order."""
    for found in _sets(connection, after + 1):
        if found.stamp > upto:
            return
        yield list(found.changes)
        if found.stamp == upto:
            return


def _sets(connection: Connection, since: int) -> Iterator[ChangeSet]:
    """The feed from a position on, few at a time while they are large: one may be megabytes."""
    limit, on = _FEW, since
    while True:
        sets = read_sets(connection.first(show_changes(on, limit)), limit)
        found, following = _generations(connection).step(on, sets)
        yield from found
        if following is None:
            return
        on = following
        changes = sum(len(one.changes) for one in sets)
        limit = _FEW if changes > _ENOUGH_CHANGES else min(limit * 2, _MANY)


def _generations(connection: Connection) -> Generations:
    """Read each time: the engine may start anew, with its clock set back, while we are at work."""
    return generations(connection.first(READ_JUMPS))
