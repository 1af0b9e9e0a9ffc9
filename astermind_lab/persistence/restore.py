"""A store made from the file of a backup.

The file is read and verified from end to end before anything is written. The rows go into the
schema that they were taken from, are read back and compared with the file, and only then is the
schema brought up to date. A mark stands in the store from the first write to the last, so a restore
that was killed is noticed, and the next one clears what it left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from surrealdb import RecordID

from astermind_lab.errors import AlreadyExists, InvalidInput, StoreError, shown
from astermind_lab.persistence.archive import Header, Tally, Verified, read_rows, verify
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.contents import (
    COUNTERS,
    PARTS,
    WATCHED,
    count_rows,
    exact,
    is_items,
    present_tables,
)
from astermind_lab.persistence.embeddings import define_items
from astermind_lab.persistence.faults import TableMissing
from astermind_lab.persistence.migrate import applied, migrate, packaged, pending
from astermind_lab.persistence.reporting import growing
from astermind_lab.persistence.table_pages import PAGE_BYTES, table_pages
from astermind_lab.tools import Progress

__all__ = ["RestoreSummary", "restore", "unfinished_restore"]

_CHUNK_ROWS = 1_000
_MARK = RecordID("_restore", "begun")
_SET_MARK = """{
    DEFINE TABLE IF NOT EXISTS _restore SCHEMALESS;
    UPSERT $mark CONTENT $row RETURN NONE;
}"""
_COUNTED = [RecordID(COUNTERS, table) for table in PARTS.values()]
_COUNTERS = f"SELECT id FROM {COUNTERS} WHERE id IN $counters"


@dataclass(frozen=True)
class RestoreSummary:
    """What was brought back; ``counts`` is table → rows, ``created_at`` that of the backup."""

    path: Path
    created_at: datetime
    migrated: list[int]
    counts: dict[str, int]


def restore(
    connection: Connection, path: Path, now: datetime, progress: Progress | None = None
) -> RestoreSummary:
    """Fill an empty store from a backup; what a killed restore left is cleared first.

    Raises InvalidInput("path") for a file that is not a whole backup, or from a newer version,
    AlreadyExists if the store holds anything, StoreError if what is read back differs.
    """
    report = growing(progress)
    report(0.0, "verifying the file")
    held = verify(path)
    _refuse_newer(held.header, path)
    pending(connection, packaged())  # raises for a schema that is not ours
    begun = _begun(connection)
    if begun is None:
        _refuse_full(connection)
    fresh = begun is None and _is_fresh(connection, held.header.migration)
    # These belong to the feed of the database, which outlives its tables.
    jumps = [] if fresh else _clock_jumps(connection) or (begun or {}).get("jumps", [])
    connection.write(_SET_MARK, mark=_MARK, row={"path": str(path), "at": now, "jumps": jumps})
    if not fresh:
        _clear(connection)
    migrate(connection, now, [one for one in packaged() if one.number <= held.header.migration])
    for table, dimension in held.collections.items():
        connection.write(f"BEGIN; {define_items(table, dimension)} COMMIT;")
    _load(connection, path, held, report)
    _compare(connection, held, report)
    ran = migrate(connection, now)
    if jumps:
        connection.insert("_clock_jumps", jumps)
    connection.write("REMOVE TABLE IF EXISTS _restore")
    report(1.0, "done")
    return RestoreSummary(path, held.header.created_at, ran, dict(held.tally.counts))


def unfinished_restore(connection: Connection) -> str | None:
    """The file that a restore was reading when it broke off, or None if none did."""
    begun = _begun(connection)
    return None if begun is None else str(begun["path"])


def _begun(connection: Connection) -> dict[str, Any] | None:
    try:
        mark: dict[str, Any] | None = connection.first("SELECT * FROM ONLY $mark", mark=_MARK)
    except TableMissing:
        return None
    return mark


def _refuse_newer(header: Header, path: Path) -> None:
    newest = max(one.number for one in packaged())
    if header.migration > newest:
        raise InvalidInput(
            "path",
            f"{shown(str(path), 200)} was written by a newer version of astermind-lab (migration "
            f"{header.migration}; this version knows up to {newest}). Upgrade with: "
            "pip install --upgrade astermind-lab",
        )


def _refuse_full(connection: Connection) -> None:
    present = present_tables(connection)
    names = [table for table in WATCHED if table in present]
    counts = {table: n for table, n in count_rows(connection, names).items() if n}
    if counts:
        listed = ", ".join(f"{n:,} in {table}" for table, n in counts.items())
        raise AlreadyExists(
            f"a backup is restored into an empty store, and {connection.target.url} holds records "
            f"({listed}); nothing was changed. Name another place or another database"
        )


def _is_fresh(connection: Connection, migration: int) -> bool:
    """Whether the schema is the one wanted, and nothing is left of what was stored before."""
    tables = present_tables(connection)
    counters = connection.run(_COUNTERS, counters=_COUNTED)[0] if COUNTERS in tables else []
    return (
        set(applied(connection)) == set(range(1, migration + 1))
        and not counters
        and not any(map(is_items, tables))
        and not any(count_rows(connection, list(PARTS)).values())
    )


def _clock_jumps(connection: Connection) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = connection.first("SELECT * FROM _clock_jumps")
    except TableMissing:
        return []
    return rows


def _clear(connection: Connection) -> None:
    """Remove every table of the lab but the mark; what they hold is of no use to anybody."""
    for table in present_tables(connection):
        if table != _MARK.table_name:
            connection.write(f"REMOVE TABLE IF EXISTS {table}")


def _load(connection: Connection, path: Path, held: Verified, report: Progress) -> None:
    done, total = 0, held.tally.total() or 1
    for table, rows in _chunks(read_rows(path)):
        if table == COUNTERS:
            for row in rows:
                connection.write("UPSERT $id CONTENT $row RETURN NONE", id=row["id"], row=row)
        else:
            connection.insert(table, rows)
        done += len(rows)
        report(0.1 + 0.6 * done / total, "restoring records")


def _chunks(
    entries: Iterable[tuple[str, dict[str, Any], int]],
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows of one table at a time, few and small enough for one statement."""
    table, rows, size = "", list[dict[str, Any]](), 0
    for of, row, length in entries:
        if rows and (of != table or len(rows) >= _CHUNK_ROWS or size + length > PAGE_BYTES):
            yield table, rows
            rows, size = [], 0
        table = of
        rows.append(exact(row))
        size += length
    if rows:
        yield table, rows


def _compare(connection: Connection, held: Verified, report: Progress) -> None:
    """Read everything back; raises StoreError unless it is what the file holds."""
    tally, total = Tally(), held.tally.total() or 1
    present = [table for table in present_tables(connection) if is_items(table)]
    for table in [COUNTERS, *WATCHED, *PARTS, *present]:
        for page in table_pages(connection, table):
            for row, data in page:
                if table != COUNTERS or row["id"].id in PARTS.values():
                    tally.add(table, data)
            report(0.7 + 0.3 * min(1.0, tally.total() / total), "comparing with the file")
    if tally.counts != held.tally.counts or tally.digests() != held.tally.digests():
        wrong = [
            table
            for table in tally.counts.keys() | held.tally.counts.keys()
            if tally.counts[table] != held.tally.counts[table]
            or tally.digests().get(table) != held.tally.digests().get(table)
        ]
        raise StoreError(
            f"what was restored differs from the file, in {', '.join(sorted(wrong))}; "
            "if another program writes to this store, close it, then restore again"
        )
