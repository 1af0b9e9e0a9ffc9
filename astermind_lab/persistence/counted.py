"""Predictions and their tallies change together, or not at all.

    commit(Change)  ──►  one transaction:  how far the spool was read
                                           rows that come, get a truth, or go
                                           the tallies, as they stand after that

The new tallies are worked out here and written whole. Each carries a revision, and the transaction
begins by looking whether those on which the work rests are still the current ones; if not, it does
nothing and is tried again on what is there now. So whatever order logs, feedback and deletes of any
number of writers come in, and wherever one of them is killed, the tallies say what a recount would.

Writers that get in each other's way move apart: the tally of a minute is the sum of its shards.
"""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from surrealdb import RecordID

from astermind_lab.core.tally import Tally
from astermind_lab.errors import StoreError
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.tally_rows import Bucket, read_tally, write_tally

__all__ = ["Advance", "Change", "CountedWrites", "KeyTaken", "Moved"]

_SHARDS = 7  # besides the common one
_CACHED = 256
_ATTEMPTS = 60
_LONGEST_PAUSE = 0.1

_COMMIT = """{
    IF $advance != NONE {
        LET $at = (SELECT VALUE position FROM ONLY $advance.spool) ?? 0;
        IF $at != $advance.before { THROW 'moved: spool' };
        UPSERT $advance.spool SET position = $advance.after, touched = time::now() RETURN NONE;
    };
    LET $found = (SELECT VALUE [id, ground_truth] FROM $touched WHERE id != NONE);
    IF $found != $truths { THROW 'moved: rows' };
    LET $there = (SELECT VALUE [id, rev] FROM $counted WHERE id != NONE);
    IF $there != $revs { THROW 'moved: tallies' };
    LET $stored = array::len((INSERT INTO predictions $rows RETURN VALUE 1));
    IF $stored != $expected { THROW 'the engine stored ' + <string> $stored + ' rows' };
    FOR $one IN $updates { UPDATE $one.id SET ground_truth = $one.ground_truth RETURN NONE };
    DELETE $gone RETURN NONE;
    FOR $tally IN $tallies { UPSERT $tally.id CONTENT $tally RETURN NONE };
    FOR $one IN $more { UPSERT $one.id CONTENT $one RETURN NONE };
    DELETE $obsolete RETURN NONE;
}"""


class Moved(Exception):
    """What a change rested on is no longer so; ``what`` is spool, rows or tallies."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class KeyTaken(Exception):
    """A prediction with one of the keys is in the log already."""


@dataclass(frozen=True)
class Advance:
    """How far a spool file has been read, before and after a change, in bytes."""

    spool: RecordID
    before: int
    after: int


@dataclass
class Change:
    """What is to happen in one transaction.

    rows : predictions that come     truths : record, its truth so far, its truth from now on
    gone : record and its truth so far, to be deleted; feedback that waits too
    tallies : what is added to each, which may be negative
    more : rows of other tables to be written     settled : records of other tables to be deleted
    """

    rows: Sequence[Mapping[str, Any]] = ()
    truths: Sequence[tuple[RecordID, str | None, str]] = ()
    gone: Sequence[tuple[RecordID, str | None]] = ()
    tallies: Mapping[Bucket, Tally] = field(default_factory=dict)
    more: Sequence[Mapping[str, Any]] = ()
    settled: Sequence[RecordID] = ()
    advance: Advance | None = None

    def __bool__(self) -> bool:
        return bool(self.rows or self.truths or self.gone or self.more or self.settled)


@dataclass(frozen=True)
class _Counted:
    """A tally as it stands in the database."""

    rev: int
    tally: Tally


class CountedWrites:
    """Carries out changes; safe to use from many threads, which it lets in one by one."""

    def __init__(self, connection: Connection, writer: str) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Bucket, int], _Counted] = OrderedDict()
        self._own_shard = 1 + zlib.crc32(writer.encode()) % _SHARDS
        self._shard = 0

    def commit(self, change: Change) -> None:
        """Do it all.

        Raises Moved("rows") if a row has another truth by now or is gone, Moved("spool") if the
        spool has been read further, KeyTaken, StoreError; then nothing was done.
        """
        with self._lock:
            for attempt in range(_ATTEMPTS):
                shard = self._shard
                after = self._after(change.tallies, shard)
                try:
                    self._write(change, after, shard)
                except Moved as moved:
                    self._forget(change.tallies, shard)
                    if moved.what != "tallies":
                        raise
                    self._shard = self._own_shard
                    time.sleep(random.uniform(0.0, min(_LONGEST_PAUSE, 0.002 * 2**attempt)))
                except BaseException:  # it may have been done all the same
                    self._forget(change.tallies, shard)
                    raise
                else:
                    self._keep(after, shard)
                    return
            raise StoreError("too many programs write predictions of the same model at once")

    def _after(self, added: Mapping[Bucket, Tally], shard: int) -> dict[Bucket, _Counted]:
        """The tallies as they will stand."""
        missing = [bucket for bucket in added if (bucket, shard) not in self._known]
        found: dict[Bucket, _Counted] = {}
        if missing:
            records = {_key(bucket.record(shard)): bucket for bucket in missing}
            rows = self._connection.first(
                "SELECT * FROM $records WHERE id != NONE",
                records=[bucket.record(shard) for bucket in missing],
            )
            for row in rows:
                found[records[_key(row["id"])]] = _Counted(row["rev"], read_tally(row))
        after = {}
        for bucket, tally in added.items():
            before = self._known.get((bucket, shard)) or found.get(bucket) or _Counted(0, Tally())
            total = before.tally.copy()
            total.add(tally)
            after[bucket] = _Counted(before.rev + 1, total)
        return after

    def _write(self, change: Change, after: Mapping[Bucket, _Counted], shard: int) -> None:
        tallies = [write_tally(b, shard, now.rev, now.tally) for b, now in after.items()]
        touched = [*((r, before) for r, before, _ in change.truths), *change.gone]
        bound: dict[str, Any] = {
            "advance": None if change.advance is None else vars(change.advance),
            "touched": [record for record, _ in touched],
            "truths": [[record, truth] for record, truth in touched],
            "counted": [row["id"] for row in tallies],
            "revs": [[row["id"], row["rev"] - 1] for row in tallies if row["rev"] > 1],
            "rows": change.rows,
            "expected": len(change.rows),
            "updates": [{"id": r, "ground_truth": truth} for r, _, truth in change.truths],
            "gone": [record for record, _ in change.gone],
            "tallies": tallies,
            "more": change.more,
            "obsolete": change.settled,
        }
        try:
            if change.advance is None:
                self._connection.write_once(_COMMIT, **bound)
            else:
                self._connection.write(_COMMIT, **bound)
        except StoreError as problem:
            _, found, what = str(problem).partition("moved: ")
            if found:
                raise Moved(what.split()[0].rstrip(".")) from None
            if "predictions_key" in str(problem):
                raise KeyTaken from None
            raise

    def _keep(self, after: Mapping[Bucket, _Counted], shard: int) -> None:
        for bucket, counted in after.items():
            self._known[bucket, shard] = counted
            self._known.move_to_end((bucket, shard))
        while len(self._known) > _CACHED:
            self._known.popitem(last=False)

    def _forget(self, buckets: Mapping[Bucket, Tally], shard: int) -> None:
        for bucket in buckets:
            self._known.pop((bucket, shard), None)


def _key(record: RecordID) -> tuple[Any, ...]:
    parts: Any = record.id
    return tuple(parts)
