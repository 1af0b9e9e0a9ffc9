"""The file of a backup: a header, the rows, and a trailer that says what there must have been.

It is a gzip stream of entries. Each entry is one byte for its kind, four for its length, and a
value in CBOR as the database's own SDK writes it, so that record ids, times, NULL and bytes come
back as they were:

h   {format, version, migration, created_at, engine}
s   the name of a table: the rows that follow are its rows
r   one row, its record id included
t   {counts, digests, header}: rows of each table, a digest of each table, and of the header

The digest of a table is the sum of the SHA-256 of its rows, modulo 2²⁵⁶: it does not depend on the
order of the rows, because the database gives them back in its own.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from surrealdb.data.cbor import decode, encode

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.persistence.contents import COUNTERS, PARTS, WATCHED, is_items
from astermind_lab.persistence.values import plain_moment

__all__ = ["ArchiveWriter", "Header", "Tally", "Verified", "read_rows", "verify"]

FORMAT = "astermind-lab backup"
FORMAT_VERSION = 1

_LEVEL = 1
_HEAD = struct.Struct(">cI")
_LONGEST = 512 * 1024 * 1024
_MODULUS = 2**256
_TABLES = frozenset({COUNTERS, *WATCHED, *PARTS})
# What reading damaged bytes can raise.
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)


@dataclass(frozen=True)
class Header:
    """Where a backup comes from; ``migration`` is the last that the store had seen."""

    migration: int
    created_at: datetime
    engine: str


@dataclass
class Tally:
    """Counts and digests of rows, by table."""

    counts: Counter[str] = field(default_factory=Counter)
    _sums: Counter[str] = field(default_factory=Counter)

    def add(self, table: str, data: bytes) -> None:
        """Count one row."""
        self.counts[table] += 1
        digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
        self._sums[table] = (self._sums[table] + digest) % _MODULUS

    def digests(self) -> dict[str, str]:
        """table → digest of its rows, as 64 hexadecimal digits."""
        return {table: f"{total:064x}" for table, total in self._sums.items()}

    def total(self) -> int:
        """The rows of all tables."""
        return sum(self.counts.values())


class ArchiveWriter:
    """Writes a backup to an open file; ``finish`` makes it one that can be read."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._stream = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0)
        self._header = encode(
            {
                "format": FORMAT,
                "version": FORMAT_VERSION,
                "migration": header.migration,
                "created_at": header.created_at,
                "engine": header.engine,
            }
        )
        self.tally = Tally()
        self._table = ""
        self._write(b"h", self._header)

    def row(self, table: str, data: bytes) -> None:
        """Add one row, as ``packed`` gives it; rows of one table follow one another."""
        if table != self._table:
            self._table = table
            self._write(b"s", table.encode())
        self.tally.add(table, data)
        self._write(b"r", data)

    def finish(self) -> None:
        """Write the trailer; the file itself stays open."""
        trailer = {
            "counts": dict(self.tally.counts),
            "digests": self.tally.digests(),
            "header": hashlib.sha256(self._header).hexdigest(),
        }
        self._write(b"t", encode(trailer))
        self._stream.close()

    def _write(self, kind: bytes, data: bytes) -> None:
        self._stream.write(_HEAD.pack(kind, len(data)))
        self._stream.write(data)


@dataclass(frozen=True)
class Verified:
    """What a whole and sound backup holds; ``collections`` is items table → dimension."""

    header: Header
    tally: Tally
    collections: dict[str, int]


def verify(source: Path | BinaryIO, name: str = "") -> Verified:
    """Read a backup from end to end; raises InvalidInput("path") unless every byte is right."""
    path = name or str(source)
    try:
        with gzip.open(source, "rb") as stream:
            return _verified(_entries(stream), path)
    except InvalidInput:
        raise
    except FileNotFoundError:
        raise InvalidInput("path", f"there is no file {shown(path, 200)}") from None
    except _DAMAGED as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise InvalidInput(
                "path", f"cannot read {shown(path, 200)}: {problem.strerror}"
            ) from None
        raise _damaged(path, str(problem) or type(problem).__name__) from None


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Table, row and size of each row in a file that ``verify`` has found sound."""
    table = ""
    with gzip.open(path, "rb") as stream:
        for kind, data in _entries(stream):
            if kind == b"s":
                table = data.decode()
            elif kind == b"r":
                row = decode(data)
                if row["id"].table_name != table:
                    raise _damaged(str(path), f"a row of {table} belongs elsewhere")
                yield table, row, len(data)


def _entries(stream: gzip.GzipFile) -> Iterator[tuple[bytes, bytes]]:
    while head := stream.read(_HEAD.size):
        kind, length = _HEAD.unpack(_exactly(head, _HEAD.size))
        if length > _LONGEST:
            raise ValueError("an entry is too long")
        yield kind, _exactly(stream.read(length), length)


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise EOFError("it ends in the middle")
    return data


def _verified(entries: Iterator[tuple[bytes, bytes]], path: str) -> Verified:
    kind, start = next(entries, (b"", b""))
    if kind != b"h":
        raise ValueError("it has no header")
    header = _read_header(decode(start), path)
    tally, collections, table = Tally(), dict[str, int](), ""
    for kind, data in entries:
        if kind == b"s":
            table = _table_named(data)
        elif kind == b"r" and table:
            tally.add(table, data)
            if table == "embeddings":
                row = decode(data)
                collections[row["items"]] = int(row["dimension"])
        elif kind == b"t":
            _check_trailer(decode(data), tally, start, collections)
            if next(entries, None) is not None:
                raise ValueError("it goes on after its end")
            return Verified(header, tally, collections)
        else:
            raise ValueError("an entry is out of place")
    raise EOFError("it ends too early")


def _table_named(data: bytes) -> str:
    """The name of a table; it will stand in statements, so it has to be one of ours."""
    table = data.decode()
    if table not in _TABLES and not is_items(table):
        raise ValueError(f"it names an unknown table {shown(table)}")
    return table


def _read_header(found: dict[str, Any], path: str) -> Header:
    if found["format"] != FORMAT:
        raise ValueError("another format")
    if found["version"] != FORMAT_VERSION:
        raise InvalidInput(
            "path",
            f"{shown(path, 200)} is a backup of format version {shown(found['version'])}, this "
            f"version of the lab reads {FORMAT_VERSION}. Upgrade with: "
            "pip install --upgrade astermind-lab",
        )
    return Header(int(found["migration"]), plain_moment(found["created_at"]), str(found["engine"]))


def _check_trailer(
    trailer: dict[str, Any], tally: Tally, header: bytes, collections: dict[str, int]
) -> None:
    if trailer["header"] != hashlib.sha256(header).hexdigest():
        raise ValueError("its header was altered")
    if trailer["counts"] != dict(tally.counts):
        raise ValueError("rows are missing or too many")
    if trailer["digests"] != tally.digests():
        raise ValueError("rows were altered")
    named = {table for table in tally.counts if is_items(table)}
    if not named <= set(collections) or not all(map(is_items, collections)):
        raise ValueError("a collection and its items do not fit")


def _damaged(path: str, reason: str) -> InvalidInput:
    return InvalidInput(
        "path",
        f"{shown(path, 200)} is not a whole backup of the lab ({shown(reason, 120)}); nothing was "
        "changed. Take another copy of the file, or an older backup",
    )
