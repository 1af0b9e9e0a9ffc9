"""Predictions and their tallies change together, or not at all.

    commit(Change)  ──►  one transaction:  how far the spool was read
                                           rows that come, get a truth, or go
                                           the tallies, as they stand after that

The new tallies are worked out here and written whole. Each carries a revision, and the transaction
begins by looking whether those on which the work rests are still the current ones; if not, it does
nothing and is tried again on what is there now. So whatever order logs, feedback and deletes of any
number of writers come in, and wherever one of them is killed, the tallies say what a recount would.

Writers that get in each other's way move apart: the tally of a stretch is the sum of its shards. To
open a crowded one (``tally_rows.py``) all its shards are written, so that no writer can miss it.
"""

from __future__ import annotations

import random
import re
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from surrealdb import RecordID

from astermind_lab.core.tally import Observation, Tally
from astermind_lab.errors import StoreError
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.prediction_rows import between, key_row, observation, parts_of
from astermind_lab.persistence.tally_rows import (
    CROWDED,
    FINER,
    LENGTHS,
    Bucket,
    Counted,
    read_tally,
    write_tally,
)

__all__ = ["Advance", "Change", "CountedWrites", "KeyTaken", "Moved"]

_SHARDS = 4  # the first is common
_CACHED = 512
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
    INSERT INTO prediction_keys $keys RETURN NONE;
    FOR $one IN $updates { UPDATE $one.id SET ground_truth = $one.ground_truth RETURN NONE };
    DELETE $gone RETURN NONE;
    FOR $tally IN $tallies { UPSERT $tally.id CONTENT $tally RETURN NONE };
    FOR $one IN $more { UPSERT $one.id CONTENT $one RETURN NONE };
    DELETE $obsolete RETURN NONE;
}"""

# As the database words them; what users write stands in quotes, if at all.
_MOVED = re.compile(r"An error occurred: moved: (spool|rows|tallies)\b")
_KEY_TAKEN = re.compile(r"[Rr]ecord `prediction_keys:.*already exists", re.DOTALL)

# Of each bucket the own shard whole, of the others what is needed of them.
_LOOK = """RETURN [
    (SELECT * FROM $own WHERE id != NONE),
    (SELECT id, n, fine FROM $others WHERE id != NONE)
]"""
_CONTENT = """RETURN [
    (SELECT * FROM $records WHERE id != NONE),
    (SELECT * FROM $range WHERE version = $version)
]"""


class Moved(Exception):
    """What a change rested on is no longer so; ``what`` is spool, rows or tallies."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class KeyTaken(Exception):
    """A prediction with one of the keys is in the log already."""


class _Crowded(Exception):
    """A tally has to be opened before more can be added to it."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket)
        self.bucket = bucket


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
    gone : record and its truth so far     counted : predictions that come into the tallies, or go
    more : rows of other tables to be written     settled : records of other tables to be deleted
    """

    rows: Sequence[Mapping[str, Any]] = ()
    truths: Sequence[tuple[RecordID, str | None, str]] = ()
    gone: Sequence[tuple[RecordID, str | None]] = ()
    counted: Sequence[Counted] = ()
    more: Sequence[Mapping[str, Any]] = ()
    settled: Sequence[RecordID] = ()
    advance: Advance | None = None


@dataclass(frozen=True)
class _Kept:
    """A tally as it stands in the database: one shard of it.

    fine : whether it is open     others : predictions in the other shards; None where there are
        none of these
    """

    rev: int = 0
    tally: Tally = field(default_factory=Tally)
    fine: bool = False
    others: int | None = None

    @property
    def exists(self) -> bool:
        return self.rev > 0 or self.others is not None


_Signed = tuple[Observation, int]
_Groups = dict[Bucket, list[_Signed]]


class CountedWrites:
    """Carries out changes; safe to use from many threads, which it lets in one by one."""

    def __init__(self, connection: Connection, writer: str) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Bucket, int], _Kept] = OrderedDict()
        self._closed: set[Bucket] = set()  # that cannot be opened, because rows of it are gone
        self._own_shard = 1 + zlib.crc32(writer.encode()) % (_SHARDS - 1)
        self._shard = 0

    def commit(self, change: Change) -> None:
        """Do it all.

        Raises Moved("rows") if a row has another truth by now or is gone, Moved("spool") if the
        spool has been read further, KeyTaken, StoreError; then nothing was done.
        """
        with self._lock:
            attempt = 0
            while True:
                shard = self._shard
                after: dict[Bucket, _Kept] = {}
                try:
                    opened = self._plan(change.counted, shard, after)
                    self._write(change, _rows(after, opened, shard))
                except _Crowded as crowded:
                    self._open(crowded.bucket)
                except Moved as moved:
                    self._forget(*((bucket, shard) for bucket in after))
                    if moved.what != "tallies":
                        raise
                    attempt += 1
                    if attempt > _ATTEMPTS:
                        raise StoreError(
                            "too many programs write predictions of the same model at once"
                        ) from None
                    self._shard = self._own_shard
                    time.sleep(random.uniform(0.0, min(_LONGEST_PAUSE, 0.002 * 2**attempt)))
                except BaseException:  # it may have been done all the same
                    self._forget(*((bucket, shard) for bucket in after))
                    raise
                else:
                    self._keep(after, shard)
                    return

    def _plan(
        self, counted: Sequence[Counted], shard: int, after: dict[Bucket, _Kept]
    ) -> list[Bucket]:
        """Fill ``after`` with the tallies as they will stand; those that are new and open at once.

        Raises _Crowded for one that has to be opened first.
        """
        minutes = _by_minute(counted)
        nodes: _Groups = {}  # from minutes down to the shortest parts
        known: dict[Bucket, _Kept] = {}
        fine: set[Bucket] = set()
        parents: dict[Bucket, Bucket] = {}
        level = minutes
        while level:
            known |= self._look(list(level), shard)
            parts: _Groups = {}
            for bucket, signed in level.items():
                if not self._is_fine(bucket, known[bucket], signed):
                    continue
                fine.add(bucket)
                for part, some in _parts(bucket, signed):
                    parents[part] = bucket
                    parts[part] = some
            nodes |= level
            level = parts
        deltas: dict[Bucket, Tally] = {}
        for bucket, signed in reversed(nodes.items()):
            delta = deltas.setdefault(bucket, Tally()) if bucket in fine else _delta(signed)
            deltas[bucket] = delta
            if bucket in parents:
                deltas.setdefault(parents[bucket], Tally()).add(delta)
        for minute in minutes:
            for name in ("10m", "h", "d"):
                start = minute.start // LENGTHS[name] * LENGTHS[name]
                longer = minute._replace(level=name, start=start)
                deltas.setdefault(longer, Tally()).add(deltas[minute])
        known |= self._look([bucket for bucket in deltas if bucket not in nodes], shard)
        for bucket, delta in deltas.items():
            after[bucket] = _moved_on(known[bucket], delta, bucket in fine)
        return [bucket for bucket in fine if not known[bucket].fine]

    def _is_fine(self, bucket: Bucket, kept: _Kept, signed: Sequence[_Signed]) -> bool:
        if kept.fine or bucket.level not in FINER or bucket in self._closed:
            return kept.fine
        n = kept.tally.n + (kept.others or 0) + sum(sign > 0 for _, sign in signed)
        if n <= CROWDED:
            return False
        if kept.exists:
            raise _Crowded(bucket)
        return True

    def _look(self, buckets: Collection[Bucket], shard: int) -> dict[Bucket, _Kept]:
        """How tallies stand."""
        known = {b: self._known[b, shard] for b in buckets if (b, shard) in self._known}
        missing = [bucket for bucket in buckets if bucket not in known]
        if not missing:
            return known
        places = {parts_of(b.record(s)): (b, s) for b in missing for s in range(_SHARDS)}
        own, others = self._connection.first(
            _LOOK,
            own=[bucket.record(shard) for bucket in missing],
            others=[b.record(s) for b, s in places.values() if s != shard],
        )
        elsewhere: dict[Bucket, int] = {}
        fine: set[Bucket] = set()
        for row in others:
            bucket = places[parts_of(row["id"])][0]
            elsewhere[bucket] = elsewhere.get(bucket, 0) + row["n"]
            if row["fine"]:
                fine.add(bucket)
        for bucket in missing:
            known[bucket] = _Kept(fine=bucket in fine, others=elsewhere.get(bucket))
        for row in own:
            bucket = places[parts_of(row["id"])][0]
            known[bucket] = _Kept(row["rev"], read_tally(row), row["fine"], elsewhere.get(bucket))
        return known

    def _open(self, bucket: Bucket) -> None:
        """Count what is in a tally in its parts as well, from now on."""
        low, high = bucket.start, bucket.start + LENGTHS[bucket.level]
        found, rows = self._connection.first(
            _CONTENT,
            records=[bucket.record(shard) for shard in range(_SHARDS)],
            range=between(bucket.model_id, low, high),
            version=bucket.version,
        )
        self._forget(*[(bucket, shard) for shard in range(_SHARDS)])
        if len(rows) != sum(row["n"] for row in found):
            self._closed.add(bucket)
            return
        kept = {parts_of(row["id"])[-1]: row for row in found}
        parts = _parts(bucket, [(observation(row), 1) for row in rows])
        tallies = [write_tally(part, 0, 1, _delta(some), False) for part, some in parts]
        for shard in range(_SHARDS):
            row = kept.get(shard)
            rev, tally = (row["rev"], read_tally(row)) if row else (0, Tally())
            tallies.append(write_tally(bucket, shard, rev + 1, tally, True))
        try:
            self._write(Change(), tallies)
        except Moved:
            time.sleep(random.uniform(0.0, 0.005))  # somebody has added to it: look again

    def _write(self, change: Change, tallies: Sequence[Mapping[str, Any]]) -> None:
        touched = [*((r, before) for r, before, _ in change.truths), *change.gone]
        bound: dict[str, Any] = {
            "advance": None if change.advance is None else vars(change.advance),
            "touched": [record for record, _ in touched],
            "truths": [[record, truth] for record, truth in touched],
            "counted": [row["id"] for row in tallies],
            "revs": [[row["id"], row["rev"] - 1] for row in tallies if row["rev"] > 1],
            "rows": change.rows,
            "expected": len(change.rows),
            "keys": [key_row(row) for row in change.rows if row.get("key") is not None],
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
            if bound["keys"] and _KEY_TAKEN.search(str(problem)):
                raise KeyTaken from None
            moved = _MOVED.search(str(problem))
            if moved:
                raise Moved(moved[1]) from None
            raise

    def _keep(self, after: Mapping[Bucket, _Kept], shard: int) -> None:
        for bucket, kept in after.items():
            self._known[bucket, shard] = kept
            self._known.move_to_end((bucket, shard))
        while len(self._known) > _CACHED:
            self._known.popitem(last=False)

    def _forget(self, *places: tuple[Bucket, int]) -> None:
        for place in places:
            self._known.pop(place, None)


def _by_minute(counted: Sequence[Counted]) -> _Groups:
    groups: dict[tuple[str, str | None, int], list[_Signed]] = {}
    length = LENGTHS["m"]
    for model_id, version, seen, sign in counted:
        groups.setdefault((model_id, version, seen.at // length), []).append((seen, sign))
    return {
        Bucket(model_id, "m", minute * length, version): some
        for (model_id, version, minute), some in groups.items()
    }


def _parts(bucket: Bucket, signed: Sequence[_Signed]) -> list[tuple[Bucket, list[_Signed]]]:
    """The predictions in a bucket by its parts, one level finer."""
    level = FINER[bucket.level]
    length = LENGTHS[level]
    groups: dict[int, list[_Signed]] = {}
    for one in signed:
        groups.setdefault(one[0].at // length, []).append(one)
    return [
        (bucket._replace(level=level, start=place * length), some) for place, some in groups.items()
    ]


def _delta(signed: Sequence[_Signed]) -> Tally:
    delta = Tally.of(seen for seen, sign in signed if sign > 0)
    if any(sign < 0 for _, sign in signed):
        delta.add(Tally.of(seen for seen, sign in signed if sign < 0), -1)
    return delta


def _moved_on(kept: _Kept, delta: Tally, fine: bool) -> _Kept:
    total = kept.tally.copy()
    total.add(delta)
    return _Kept(kept.rev + 1, total, fine, kept.others)


def _rows(
    after: Mapping[Bucket, _Kept], opened: Sequence[Bucket], shard: int
) -> list[dict[str, Any]]:
    """The rows of tallies; of those that are new and open the other, empty shards as well."""
    rows = [write_tally(b, shard, kept.rev, kept.tally, kept.fine) for b, kept in after.items()]
    for bucket in opened:
        rows += [write_tally(bucket, s, 1, Tally(), True) for s in range(_SHARDS) if s != shard]
    return rows
