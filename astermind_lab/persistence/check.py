"""Is everything that the store says it holds really there, and as it was written?

Reads only. Every version's weights are read and compared with their digest; examples are counted by
their keys; aliases, collections, the schema and the change feed are looked at. What a broken writer
left behind is found too: it does no harm, and is removed when its id is used again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from surrealdb import BoundExcluded, BoundIncluded, Range, RecordID

from astermind_lab.errors import MigrationError, shown
from astermind_lab.persistence.alias_rows import read_moves
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.contents import (
    PARTS,
    WATCHED,
    count_rows,
    is_items,
    is_visible,
    present_tables,
)
from astermind_lab.persistence.faults import TableMissing
from astermind_lab.persistence.migrate import packaged, pending
from astermind_lab.persistence.reporting import growing
from astermind_lab.persistence.restore import unfinished_restore
from astermind_lab.persistence.slices import count_records
from astermind_lab.persistence.table_pages import table_pages
from astermind_lab.persistence.values import record_name
from astermind_lab.tools import Progress

__all__ = ["CheckReport", "Finding", "Severity", "check"]

Severity = Literal["damage", "harmless"]

_DIMENSION = re.compile(r"\bHNSW DIMENSION (\d+)\b")
_SIZES = {
    "examples": "math::sum(string::len(text) + string::len(label))",
    "model_weights": "math::sum(bytes::len(data))",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be; ``subject`` is the record or table."""

    severity: Severity
    subject: str
    problem: str


@dataclass(frozen=True)
class CheckReport:
    """What was found, and how much was looked at: ``checked`` is kind → number."""

    findings: list[Finding]
    checked: dict[str, int]

    @property
    def damaged(self) -> bool:
        """Whether anything is lost or cannot be used."""
        return any(finding.severity == "damage" for finding in self.findings)


def check(connection: Connection, progress: Progress | None = None) -> CheckReport:
    """Look at everything; others may go on working. Raises StoreError if the store fails."""
    report = growing(progress)
    inspection = _Inspection(connection, present_tables(connection), report)
    findings = list(inspection.run())
    report(1.0, "done")
    return CheckReport(findings, inspection.checked)


class _Inspection:
    """One look at a store; each method yields what it finds."""

    def __init__(self, connection: Connection, tables: dict[str, str], report: Progress) -> None:
        self._connection = connection
        self._tables = tables
        self._report = report
        self.checked: dict[str, int] = {}

    def run(self) -> Iterator[Finding]:
        yield from self._schema()
        yield from self._feeds()
        yield from self._versions()
        yield from self._datasets()
        yield from self._aliases()
        yield from self._collections()
        yield from self._orphans("examples")
        yield from self._orphans("model_weights")

    def _schema(self) -> Iterator[Finding]:
        self._report(0.0, "checking the schema")
        file = unfinished_restore(self._connection)
        if file is not None:
            yield _damage("the store", f"a restore of {shown(file, 200)} broke off; run it again")
        migrations = packaged()
        try:
            waiting = pending(self._connection, migrations)
        except MigrationError as problem:
            yield _damage("the schema", str(problem))
            return
        finally:
            self.checked["migrations"] = len(migrations)
        for one in waiting:
            yield _harmless("the schema", f"migration {one.number} {one.name!r} has not run yet")

    def _feeds(self) -> Iterator[Finding]:
        for table in WATCHED:
            if table not in self._tables:
                yield _damage(table, "the table is missing")
            elif "CHANGEFEED" not in self._tables[table]:
                yield _damage(table, "the table keeps no feed of its changes")

    def _versions(self) -> Iterator[Finding]:
        rows = self._rows("models")
        for place, row in enumerate(rows):
            self._report(0.05 + 0.5 * place / len(rows), "checking weights")
            if is_visible("models", row):
                yield from self._weights(row)
            else:
                yield _harmless(record_name(row["id"]), _state(row))
        self.checked["versions"] = len(rows)

    def _weights(self, row: dict[str, Any]) -> Iterator[Finding]:
        digest, size, missing = hashlib.sha256(), 0, []
        for part in range(row["parts"]):
            data = self._part(row["uid"], part)
            if data is None:
                missing.append(part)
                continue
            digest.update(data)
            size += len(data)
        name = record_name(row["id"])
        if self._changed("models", row):  # by someone who works on it right now
            return
        if missing:
            yield _damage(name, f"{len(missing)} of {row['parts']} parts of its weights are gone")
        elif size != row["size_bytes"]:
            yield _damage(name, f"its weights have {size:,} bytes, not {row['size_bytes']:,}")
        elif digest.hexdigest() != row["digest"]:
            yield _damage(name, "its weights are not the ones that were stored (SHA-256 differs)")

    def _datasets(self) -> Iterator[Finding]:
        rows = self._rows("datasets")
        for place, row in enumerate(rows):
            self._report(0.55 + 0.2 * place / len(rows), "checking data sets")
            if is_visible("datasets", row):
                yield from self._examples(row)
            else:
                yield _harmless(record_name(row["id"]), _state(row))
        self.checked["data sets"] = len(rows)

    def _examples(self, row: dict[str, Any]) -> Iterator[Finding]:
        uid, size, name = row["uid"], row["size"], record_name(row["id"])
        numbered = self._count("examples", [uid, 0], [uid, size])
        every = self._count("examples", [uid], [uid, []])
        if self._changed("datasets", row):
            return
        if numbered < size:
            yield _damage(name, f"{size - numbered:,} of its {size:,} examples are gone")
        if every > numbered:
            yield _damage(name, f"it has {every - numbered:,} examples more than it should")
        labelled = sum(count for _, count in row["labels"])
        if labelled != size:
            yield _damage(name, f"its labels count {labelled:,} examples, its size says {size:,}")

    def _aliases(self) -> Iterator[Finding]:
        self._report(0.75, "checking aliases")
        rows = self._rows("aliases")
        for row in rows:
            record = RecordID("models", [row["model_id"], row["version"]])
            status = self._connection.first("SELECT VALUE status FROM ONLY $r", r=record)
            if status != "active" and not self._changed("aliases", row):
                gone = "was deleted" if status == "deleted" else "does not exist"
                yield _damage(
                    record_name(row["id"]),
                    f"it stands for version {shown(row['version'])}, which {gone}",
                )
            if read_moves(row)[0].version != row["version"]:
                yield _damage(
                    record_name(row["id"]),
                    f"it stands for version {shown(row['version'])}, which is not the last of "
                    "its moves; set it again",
                )
        self.checked["aliases"] = len(rows)

    def _collections(self) -> Iterator[Finding]:
        self._report(0.8, "checking embeddings")
        rows = self._rows("embeddings")
        for row in rows:
            try:
                found = list(self._collection(row))
            except TableMissing:  # removed since its definition was read
                continue
            if found and not self._changed("embeddings", row):
                yield from found
        self.checked["collections"] = len(rows)
        named = {row["items"] for row in self._rows("embeddings")}
        left = [table for table in present_tables(self._connection) if is_items(table)]
        for table, count in count_rows(self._connection, left).items():
            if table not in named:
                yield _harmless(table, f"{count:,} embeddings belong to no collection")

    def _collection(self, row: dict[str, Any]) -> Iterator[Finding]:
        table, dimension, name = row["items"], row["dimension"], record_name(row["id"])
        definition = present_tables(self._connection).get(table)
        if definition is None:
            yield _damage(name, f"its table {table} is missing")
            return
        if "CHANGEFEED" not in definition:
            yield _harmless(name, "its table keeps no feed of its changes; a backup adds one")
        yield from self._index(table, dimension, name)
        odd = self._connection.first(
            f"SELECT count() FROM {table} WHERE !type::is_array(vector) "
            "OR array::len(vector) != $dimension GROUP ALL",
            dimension=dimension,
        )
        if odd and odd[0]["count"]:
            yield _damage(
                name, f"{odd[0]['count']:,} of its vectors are not of {dimension} numbers"
            )

    def _index(self, table: str, dimension: int, name: str) -> Iterator[Finding]:
        indexes = self._connection.first(f"INFO FOR TABLE {table}")["indexes"]
        found = _DIMENSION.search(indexes.get("nearest", ""))
        if found is None:
            yield _damage(name, "its search index is missing")
        elif int(found[1]) != dimension:
            yield _damage(name, f"its search index is for {found[1]} numbers, not {dimension}")

    def _orphans(self, table: str) -> Iterator[Finding]:
        """Parts whose uid no row has: between two uids that are known there should be nothing."""
        self._report(0.9, f"looking for leftovers in {table}")
        uids = sorted({row["uid"] for row in self._rows(PARTS[table])})
        low: list[Any] = []
        for uid in [*uids, None]:
            high = [uid] if uid is not None else [[]]
            if self._count(table, low, high):
                yield from self._orphans_between(table, low, high)
            low = [uid, []]

    def _orphans_between(self, table: str, low: list[Any], high: list[Any]) -> Iterator[Finding]:
        rows = self._connection.first(
            f"SELECT uid, count() AS parts, {_SIZES[table]} AS size FROM "
            f"(SELECT id[0] AS uid, * FROM $range) GROUP BY uid",
            range=_range(table, low, high),
        )
        for row in rows:
            unit = "characters" if table == "examples" else "bytes"
            yield _harmless(
                f"{table}:{row['uid']}",
                f"{row['parts']:,} parts ({row['size']:,} {unit}) belong to nothing; "
                "a program was killed while it wrote them, or is writing them now",
            )

    def _rows(self, table: str) -> list[dict[str, Any]]:
        return [row for page in table_pages(self._connection, table) for row, _ in page]

    def _changed(self, table: str, row: dict[str, Any]) -> bool:
        """Whether a row was written since it was read, so that what was found means nothing."""
        now = self._connection.first("SELECT * FROM ONLY $record", record=row["id"])
        return bool(now != row)

    def _part(self, uid: str, part: int) -> bytes | None:
        data = self._connection.first(
            "SELECT VALUE data FROM ONLY $record", record=RecordID("model_weights", [uid, part])
        )
        return data if isinstance(data, bytes) else None

    def _count(self, table: str, low: list[Any], high: list[Any]) -> int:
        try:
            return count_records(self._connection, _range(table, low, high))
        except TableMissing:
            return 0


def _range(table: str, low: list[Any], high: list[Any]) -> RecordID:
    return RecordID(table, Range(BoundIncluded(low), BoundExcluded(high)))


def _state(row: dict[str, Any]) -> str:
    doing = "deleted" if row["status"] == "deleting" else "written"
    return f"it is being {doing}, or was when its program was killed; nobody is shown it"


def _damage(subject: str, problem: str) -> Finding:
    return Finding("damage", subject, problem)


def _harmless(subject: str, problem: str) -> Finding:
    return Finding("harmless", subject, problem)
