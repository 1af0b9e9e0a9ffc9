"""Rows set aside on disk while a backup is put together.

A private SQLite file beside the target, which has room for what is coming. It is unlinked at once
where the system allows, so a killed backup leaves nothing behind.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Spool"]

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16000;
CREATE TABLE rows (kind TEXT, key BLOB, data BLOB, UNIQUE (kind, key));
CREATE TABLE parts (kind TEXT, uid TEXT, place INTEGER, data BLOB, UNIQUE (kind, uid, place));
"""


class Spool:
    """Rows by table and key, and parts by table, uid and place; both come out in this order."""

    def __init__(self, folder: Path) -> None:
        handle, self._name = tempfile.mkstemp(prefix=".astermind-", suffix=".spool", dir=folder)
        os.close(handle)
        self._file = sqlite3.connect(self._name, isolation_level=None)
        self._file.executescript(_SCHEMA)
        if os.name == "posix":
            os.unlink(self._name)

    def put(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Set (key, data) aside, in place of what was under the key."""
        self._many(
            "INSERT INTO rows VALUES (?, ?, ?) "
            "ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data",
            ((table, key, data) for key, data in rows),
        )

    def drop(self, table: str, key: bytes) -> None:
        """Forget a row."""
        self._file.execute("DELETE FROM rows WHERE kind = ? AND key = ?", (table, key))

    def rows(self, table: str) -> Iterator[bytes]:
        """The rows of a table."""
        found = self._file.execute("SELECT data FROM rows WHERE kind = ? ORDER BY key", (table,))
        return (data for (data,) in found)

    def tables(self) -> list[str]:
        """The tables that have rows."""
        return [kind for (kind,) in self._file.execute("SELECT DISTINCT kind FROM rows")]

    def put_parts(self, table: str, uid: str, start: int, parts: Iterable[bytes]) -> None:
        """Set the parts of one uid aside, numbered from ``start``."""
        self._many(
            "INSERT INTO parts VALUES (?, ?, ?, ?)",
            ((table, uid, start + place, data) for place, data in enumerate(parts)),
        )

    def drop_parts(self, table: str, uid: str) -> None:
        """Forget the parts of one uid."""
        self._file.execute("DELETE FROM parts WHERE kind = ? AND uid = ?", (table, uid))

    def parts(self, table: str, uid: str) -> Iterator[bytes]:
        """The parts of one uid, in order."""
        found = self._file.execute(
            "SELECT data FROM parts WHERE kind = ? AND uid = ? ORDER BY place", (table, uid)
        )
        return (data for (data,) in found)

    def _many(self, statement: str, values: Iterable[tuple[str | int | bytes, ...]]) -> None:
        self._file.execute("BEGIN")
        self._file.executemany(statement, values)
        self._file.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if os.path.exists(self._name):
            os.unlink(self._name)
