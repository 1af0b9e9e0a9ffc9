"""What a backup holds: which tables, which of their rows, and which of their fields.

Every table is one of these kinds, and a new one has to be put into its list here:

watched   has a change feed: rows may come, change and go while they are being read
parts     never change; they belong to a row of a watched table, by its uid
items     the table of a collection of embeddings, named in its row; watched as well
left out  belongs to this store and not to what is kept in it
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from surrealdb import RecordID
from surrealdb.cbor import CBORTag
from surrealdb.data.cbor import encode
from surrealdb.data.types.constants import TAG_DATETIME_COMPACT

from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.faults import TableMissing

__all__ = [
    "COUNTERS",
    "LEFT_OUT",
    "PARTS",
    "WATCHED",
    "count_rows",
    "exact",
    "is_items",
    "is_visible",
    "packed",
    "present_tables",
]

WATCHED = (
    "models",
    "aliases",
    "datasets",
    "embeddings",
    "predictions",
    "metrics",
    "workflows",
    "scheduled_jobs",
    "jobs",
    "feedback",
    "monitored_models",
    "prediction_keys",
    "monitors",
    "alerts",
)
# Table of the parts → table of the rows they belong to.
PARTS: Mapping[str, str] = {"examples": "datasets", "model_weights": "models"}
COUNTERS = "_counter"
LEFT_OUT = (
    "_beacon",
    "_clock_jumps",
    "_migration",
    "_receipts",
    "_restore",
    "_spools",
    "_waiting",
)

# A row in another state is being written or deleted, or was given up.
_VISIBLE = {"models": ("active", "deleted"), "datasets": ("ready",)}
# Set by the database on every write; says when the writer was last seen.
_VOLATILE = {"models": "touched", "datasets": "touched"}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

_ITEMS = re.compile(r"embeddings_[0-9a-f]{32}\Z")


def is_items(table: str) -> bool:
    """Whether the name is one that a collection of embeddings gives its table."""
    return _ITEMS.match(table) is not None


def is_visible(table: str, row: Mapping[str, Any]) -> bool:
    """Whether a row is in a state that readers are shown."""
    states = _VISIBLE.get(table)
    return states is None or row.get("status") in states


def packed(row: Mapping[str, Any]) -> bytes:
    """A row as bytes, equal for equal rows, without what the database sets by itself."""
    record = row["id"]
    volatile = _VOLATILE.get(record.table_name) if isinstance(record, RecordID) else None
    return encode({key: exact(row[key]) for key in sorted(row) if key != volatile})


def exact(value: Any) -> Any:
    """The value with its times as seconds and nanoseconds.

    The SDK would write them as text, which it reads back without the last three digits, and which
    for years before 1000 the database does not understand.
    """
    if isinstance(value, datetime):
        nanoseconds = value.microsecond * 1_000 + getattr(value, "nanosecond", 0)
        return CBORTag(TAG_DATETIME_COMPACT, [(value - _EPOCH) // _SECOND, nanoseconds])
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return type(value)(map(exact, value))
    return value


def present_tables(connection: Connection) -> dict[str, str]:
    """The tables of the lab that the database holds: name → definition."""
    known = {*WATCHED, *PARTS, COUNTERS, *LEFT_OUT}
    tables = connection.first("INFO FOR DB")["tables"]
    return {
        name: definition for name, definition in tables.items() if name in known or is_items(name)
    }


def count_rows(connection: Connection, tables: Sequence[str]) -> dict[str, int]:
    """How many rows each table holds; one that is gone holds none."""
    counts = {}
    for table in tables:
        try:
            rows = connection.first(f"SELECT count() FROM {table} GROUP ALL")
        except TableMissing:
            rows = []
        counts[table] = int(rows[0]["count"]) if rows else 0
    return counts
