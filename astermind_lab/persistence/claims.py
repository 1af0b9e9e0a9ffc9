"""Records of many parts that nobody sees before they are whole.

A model is a row and its weights, a data set a row and its examples: more than one transaction can
hold. So the row is claimed first, in the state ``loading`` that no reader shows, then the parts are
written under a fresh uid, and the last write makes the row visible. If the writer fails it takes
everything back; if it is killed, the next claim of the same record finds the leftovers and removes
them.

Whether a ``loading`` row belongs to a living writer: in process, one store owns the folder, so it
is alive exactly if this store is writing it. On a server other processes write too; theirs count
as alive for ``LEASE`` after their last sign of life.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from surrealdb import RecordID

from astermind_lab.errors import AlreadyExists, StoreError
from astermind_lab.persistence.connection import Connection

__all__ = ["Claim", "Claims"]

LEASE = "60s"

# Blocks without RETURN: their value is their last expression, and they are done once.
_RESERVE = """{
    LET $old = (SELECT status, uid, leftovers, touched FROM ONLY $record);
    LET $held = $old != NONE AND $old.status IN ['loading', 'deleting'];
    IF $old != NONE AND !$held { { state: 'taken' } }
    ELSE IF $held AND (
        $old.uid IN $live OR ($shared AND time::now() < $old.touched + <duration> $lease
            AND $old.touched < time::now() + <duration> $lease)
    ) { { state: 'busy' } }
    ELSE {
        LET $left = IF $old = NONE { [] } ELSE { array::append($old.leftovers, $old.uid) };
        UPSERT $record CONTENT $row RETURN NONE;
        UPDATE $record SET leftovers = $left RETURN NONE;
        { state: 'won', leftovers: $left }
    }
}"""

_BEAT = "UPDATE $record SET leftovers = leftovers WHERE uid = $uid RETURN VALUE uid"

_PUBLISH = """{
    IF (SELECT VALUE uid FROM ONLY $record) != $uid { false } ELSE {
        LET $seq = ((SELECT VALUE n FROM ONLY $counter) ?? 0) + 1;
        UPSERT $counter SET n = $seq RETURN NONE;
        UPDATE $record MERGE $final RETURN NONE;
        UPDATE $record SET seq = $seq, leftovers = [] RETURN NONE;
        true
    }
}"""

_RETIRE = """{
    LET $old = (SELECT status, uid FROM ONLY $record);
    IF $old = NONE OR $old.status != $shown { NONE } ELSE {
        UPDATE $record SET status = 'deleting' RETURN NONE;
        $old.uid
    }
}"""

_DROP = "DELETE $record WHERE uid = $uid AND status IN ['loading', 'deleting']"


class Claims:
    """Claims on the records of one table; ``sweep(uid)`` removes all parts of one uid."""

    def __init__(self, connection: Connection, table: str, sweep: Callable[[str], None]) -> None:
        self._connection = connection
        self._counter = RecordID("_counter", table)
        self._sweep = sweep
        self._lock = threading.Lock()
        self._live: set[str] = set()

    @contextmanager
    def claim(self, record: RecordID, row: Mapping[str, Any], what: str) -> Iterator[Claim]:
        """Hold ``record`` while its parts are written; ``what`` names it in messages.

        Raises AlreadyExists if it is there or is being written. Leaving the block by an exception
        removes everything that was written in it.
        """
        uid = uuid.uuid4().hex
        loading = {**row, "uid": uid, "status": "loading", "leftovers": []}
        leftovers = self._reserve(record, loading, what)
        try:
            for left in leftovers:
                self._sweep(left)
            yield Claim(self._connection, record, uid, self._counter, what)
        except BaseException:
            with suppress(StoreError):
                self._drop(record, uid)
            raise
        finally:
            self._forget(uid)

    def retire(self, record: RecordID, shown: str) -> bool:
        """Delete a record that is in the state ``shown``, and its parts; False if it is not."""
        with self._lock:
            uid = self._connection.write_once(_RETIRE, record=record, shown=shown)
            if uid is None:
                return False
            self._live.add(uid)
        try:
            self._drop(record, uid)
        finally:
            self._forget(uid)
        return True

    def _reserve(self, record: RecordID, row: dict[str, Any], what: str) -> list[str]:
        with self._lock:  # so that a row which this store is writing has its uid in _live
            answer = self._connection.write_once(
                _RESERVE,
                record=record,
                row=row,
                live=list(self._live),
                shared=self._connection.target.is_server,
                lease=LEASE,
            )
            if answer["state"] == "won":
                self._live.add(row["uid"])
        if answer["state"] == "taken":
            raise AlreadyExists(f"{what} exists already; nothing was changed")
        if answer["state"] == "busy":
            raise AlreadyExists(
                f"{what} is being written or deleted elsewhere right now; nothing was changed. "
                f"If that program is gone, try again after {LEASE}"
            )
        leftovers: list[str] = answer["leftovers"]
        return leftovers

    def _forget(self, uid: str) -> None:
        with self._lock:
            self._live.discard(uid)

    def _drop(self, record: RecordID, uid: str) -> None:
        self._sweep(uid)
        self._connection.write(_DROP, record=record, uid=uid)


class Claim:
    """The right to write one record; ``uid`` is the name its parts are stored under."""

    def __init__(
        self, connection: Connection, record: RecordID, uid: str, counter: RecordID, what: str
    ) -> None:
        self.uid = uid
        self._connection = connection
        self._record = record
        self._counter = counter
        self._what = what

    def beat(self) -> None:
        """Show that the writer lives, and find out whether the claim still stands."""
        if not self._connection.target.is_server:
            return
        if not self._connection.write(_BEAT, record=self._record, uid=self.uid):
            raise self._lost()

    def publish(self, final: Mapping[str, Any]) -> None:
        """Make the record visible, as the newest of its table, with the fields of ``final``."""
        if not self._connection.write_once(
            _PUBLISH,
            record=self._record,
            uid=self.uid,
            counter=self._counter,
            final=dict(final),
        ):
            raise self._lost()

    def _lost(self) -> AlreadyExists:
        return AlreadyExists(
            f"{self._what} was taken over by another program, because this one showed no sign of "
            f"life for {LEASE}; nothing of it was kept"
        )
