"""The whole store in one file, as it was at one moment, while others go on writing.

The rows are read page by page and set aside (``spool.py``), which takes a while: they are of many
moments. Then the change feed says what was written since, up to one position, and the rows set
aside are brought to it. Examples and weights have no feed. They never change, and were written
before the row of their data set or version became visible; so those of every row that is visible at
the position are read, and if one of them vanishes meanwhile, the position is moved on and its row
is gone. Only then is the file written, and read again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from surrealdb import BoundExcluded, BoundIncluded, Range, RecordID
from surrealdb.data.cbor import decode, encode

from astermind_lab.errors import InvalidInput, StoreError, shown
from astermind_lab.persistence.archive import ArchiveWriter, Header, Verified, verify
from astermind_lab.persistence.changes import Change, stamp_of_millisecond
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.contents import (
    COUNTERS,
    PARTS,
    WATCHED,
    count_rows,
    is_items,
    is_visible,
    packed,
    present_tables,
)
from astermind_lab.persistence.migrate import applied
from astermind_lab.persistence.positions import LATE_MS, changes_between, is_settled, position
from astermind_lab.persistence.reporting import growing
from astermind_lab.persistence.spool import Spool
from astermind_lab.persistence.table_pages import Page, PageSize, read_page, table_pages
from astermind_lab.persistence.values import record_name
from astermind_lab.tools import Progress
from astermind_lab.whole_files import write_whole

__all__ = ["BackupSummary", "backup"]

_ROUNDS = 50
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class BackupSummary:
    """What a backup holds; ``counts`` is table → rows.

    incomplete : the records whose weights or examples are damaged in the store, and so in the file
    """

    path: Path
    size_bytes: int
    created_at: datetime
    migration: int
    counts: dict[str, int]
    incomplete: Sequence[str] = ()


def backup(
    connection: Connection,
    path: Path,
    now: datetime,
    progress: Progress | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> BackupSummary:
    """Write everything the store holds to one file, whole or not at all, replacing it if it exists.

    now : goes into the file as the time of the backup     progress : hears (share, doing)
    Others may go on writing: the file holds one moment of the store. What is being written by a
    single call, or was given up by a killed program, is left out until it is visible.

    Raises InvalidInput("path") if the file cannot be written, StoreError if the store fails.
    """
    report = growing(progress)
    found: list[Verified] = []
    incomplete: list[str] = []

    def write(file: BinaryIO) -> None:
        with Spool(path.parent) as spool:
            header = Header(_migration(connection), now, f"surrealdb {version('surrealdb')}")
            snapshot = _Snapshot(connection, spool, report, wait)
            snapshot.take()
            if _migration(connection) != header.migration:
                raise StoreError("the schema was brought up to date meanwhile; try again")
            report(0.8, "writing the file")
            snapshot.write(ArchiveWriter(file, header))
            incomplete.extend(snapshot.incomplete)
        report(0.95, "reading it again")
        file.flush()
        file.seek(0)
        found.append(verify(file, str(path)))

    try:
        size = write_whole(path, write, "path")
    except sqlite3.Error as problem:
        raise InvalidInput(
            "path", f"cannot write beside {shown(str(path), 200)}: {problem}"
        ) from None
    report(1.0, "done")
    held = found[0]
    return BackupSummary(
        path, size, now, held.header.migration, dict(held.tally.counts), incomplete
    )


class _Snapshot:
    """The rows of one moment, in a spool."""

    def __init__(
        self,
        connection: Connection,
        spool: Spool,
        report: Progress,
        wait: Callable[[float], None],
    ) -> None:
        self._connection = connection
        self._spool = spool
        self._report = report
        self._wait = wait
        self._complete: dict[str, set[str]] = {table: set() for table in PARTS}
        self._missing: set[str] = set()
        self.incomplete: list[str] = []

    def take(self) -> None:
        """Read everything; on return the spool holds the store at one position of the feed."""
        self._watch_collections()
        reached = self._start()
        self._read_rows()
        for _ in range(_ROUNDS):
            reached = self._catch_up(reached)
            if all([self._read_parts(table) for table in PARTS]):
                return
        raise StoreError(
            "data sets are deleted faster than they can be read, so no backup was taken; "
            "try again when less is going on"
        )

    def write(self, archive: ArchiveWriter) -> None:
        """Write what is visible, and finish the file."""
        for row in self._counters():
            archive.row(COUNTERS, packed(row))
        for table in WATCHED:
            for _, data in self._visible(table):
                archive.row(table, data)
        for row, _ in self._visible("embeddings"):
            for data in self._spool.rows(row["items"]):
                archive.row(row["items"], data)
        for table, of in PARTS.items():
            for row, _ in self._visible(of):
                for data in self._spool.parts(table, row["uid"]):
                    archive.row(table, data)
        archive.finish()

    def _watch_collections(self) -> None:
        """Give a feed to the tables of collections that older versions made without one."""
        for table, definition in present_tables(self._connection).items():
            if is_items(table) and "CHANGEFEED" not in definition:
                self._connection.write(f"ALTER TABLE IF EXISTS {table} CHANGEFEED 1d")

    def _start(self) -> int:
        reached = position(self._connection)
        return reached if is_settled(self._connection) else reached - stamp_of_millisecond(LATE_MS)

    def _read_rows(self) -> None:
        items = [table for table in present_tables(self._connection) if is_items(table)]
        counts = count_rows(self._connection, [*WATCHED, *items])
        total, done = sum(counts.values()) or 1, 0
        for table in counts:
            for page in table_pages(self._connection, table):
                self._spool.put(table, [(_key(row["id"]), data) for row, data in page])
                done += len(page)
                self._report(0.5 * min(1.0, done / total), "reading records")

    def _catch_up(self, reached: int) -> int:
        if is_settled(self._connection):
            upto = position(self._connection)
        else:
            upto = self._settled(reached)
        for changes in changes_between(self._connection, reached, upto):
            for change in changes:
                self._apply(change)
        return upto

    def _settled(self, reached: int) -> int:
        """A position of now that is complete. What is new is read before it may be deleted."""
        near = position(self._connection)
        self._read_ahead(reached, near)
        upto = position(self._connection)
        self._read_ahead(near, upto)
        self._wait(_SETTLE_SECONDS)
        return upto

    def _read_ahead(self, reached: int, upto: int) -> None:
        """Read the parts of what is new; those that have gone already are passed over."""
        newest: dict[tuple[str, bytes], dict[str, Any]] = {}
        for changes in changes_between(self._connection, reached, upto):
            for change in changes:
                newest[change.record.table_name, _key(change.record)] = (
                    {} if change.action == "delete" else change.data
                )
        for table, of in PARTS.items():
            for (name, _), row in newest.items():
                if name == of and is_visible(name, row) and row["uid"] not in self._complete[table]:
                    self._fetch(table, row)

    def _apply(self, change: Change) -> None:
        table = change.record.table_name
        if table not in WATCHED and not is_items(table):
            return
        key = _key(change.record)
        if change.action == "delete":
            self._spool.drop(table, key)
        else:
            self._spool.put(table, [(key, packed(change.data))])

    def _read_parts(self, table: str) -> bool:
        """Read what belongs to visible rows and is not here yet; False if some of it has gone."""
        whole, complete = True, self._complete[table]
        rows = [row for row, _ in self._visible(PARTS[table])]
        for place, row in enumerate(rows):
            self._report(0.5 + 0.3 * place / len(rows), f"reading {table.replace('_', ' ')}")
            if row["uid"] not in complete and not self._fetch(table, row):
                whole = self._give_up(table, row) and whole
        return whole

    def _fetch(self, table: str, row: dict[str, Any], gaps: bool = False) -> bool:
        """Read the parts of one row; False, and nothing is kept, if one of them is not there."""
        count, uid = 0, row["uid"]
        for page in _part_pages(self._connection, table, row, gaps):
            self._spool.put_parts(table, uid, count, [data for _, data in page])
            count += len(page)
        if count != _part_count(table, row) and not gaps:
            self._spool.drop_parts(table, uid)
            return False
        self._complete[table].add(uid)
        return True

    def _give_up(self, table: str, row: dict[str, Any]) -> bool:
        """Whether parts that are missing will stay so: what is missing twice is damaged."""
        if row["uid"] not in self._missing:
            self._missing.add(row["uid"])
            return False
        self.incomplete.append(record_name(row["id"]))
        return self._fetch(table, row, gaps=True)

    def _visible(self, table: str) -> Iterator[tuple[dict[str, Any], bytes]]:
        for data in self._spool.rows(table):
            row = decode(data)
            if is_visible(table, row):
                yield row, data

    def _counters(self) -> list[dict[str, Any]]:
        """Read last, so that no counter is behind a row; to be ahead of them does no harm."""
        rows: list[dict[str, Any]] = self._connection.first(
            f"SELECT * FROM {COUNTERS} WHERE id IN $counters",
            counters=[RecordID(COUNTERS, of) for of in PARTS.values()],
        )
        return rows


def _part_count(table: str, row: dict[str, Any]) -> int:
    return int(row["size"] if table == "examples" else row["parts"])


def _part_pages(
    connection: Connection, table: str, row: dict[str, Any], gaps: bool
) -> Iterator[Page]:
    """The parts of a row, which are numbered from 0; without ``gaps`` they end at the first."""
    count = _part_count(table, row)
    size = PageSize(25) if table == "examples" else PageSize(1, most=1)
    start = 0
    while start < count:
        stop = min(count, start + size.rows)
        bounds = Range(BoundIncluded([row["uid"], start]), BoundExcluded([row["uid"], stop]))
        page = read_page(connection, RecordID(table, bounds))
        if len(page) != stop - start and not gaps:
            return
        yield page
        size.learn(page)
        start = stop


def _key(record: RecordID) -> bytes:
    return encode(record.id)


def _migration(connection: Connection) -> int:
    return max(applied(connection), default=0)
