"""A whole table, page by page, whatever its keys are and whoever writes meanwhile.

LIMIT reads a whole range before it cuts, and ``id > $last`` reads what lies before it, so both take
longer the more rows there are. Skipping keys is cheap. So every fifty thousandth key is looked up
by its place, the keys between two of those are read once, in the database, and the pages are ranges
between keys. Nothing is read twice and nothing is left out that was there before and after: a place
that shifts, because others write, moves an edge, and both neighbours of the edge with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from surrealdb import BoundExcluded, BoundIncluded, Range, RecordID

from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.contents import packed
from astermind_lab.persistence.faults import TableMissing

__all__ = ["MOST_ROWS", "PAGE_BYTES", "Page", "PageSize", "read_page", "table_pages"]

# A page holds at most so many rows, and not many more bytes.
MOST_ROWS = 500
PAGE_BYTES = 4 * 1024 * 1024
_STRIDE = 50_000
_GRAIN = 25
_LARGE_ROWS = frozenset({"model_weights"})  # a page of these is one row
_GROWTH = 4

# (row, its bytes) of each row.
Page: TypeAlias = Sequence[tuple[dict[str, Any], bytes]]

_EDGES = """
LET $ids = (SELECT VALUE id FROM $range);
RETURN array::clump($ids, $grain).map(|$part| $part[0]);
"""


class PageSize:
    """How many rows the next page may have, learnt from the bytes of the last one."""

    def __init__(self, first: int, most: int = MOST_ROWS) -> None:
        self.rows = first
        self._most = most

    def learn(self, page: Page) -> None:
        """Take note of a page that was read."""
        taken = sum(len(data) for _, data in page)
        fitting = self._most if not taken else len(page) * PAGE_BYTES // taken
        self.rows = max(1, min(fitting, self.rows * _GROWTH, self._most))


def table_pages(connection: Connection, table: str) -> Iterator[Page]:
    """The rows of a table in pages; those written after the call may be missing.

    A table that does not exist, or is removed meanwhile, has no more pages.
    """
    large = table in _LARGE_ROWS
    grain = 1 if large else _GRAIN
    size = PageSize(grain, grain if large else MOST_ROWS)
    try:
        for stretch in _stretches(connection, table):
            edges = connection.run(_EDGES, range=RecordID(table, stretch), grain=grain)[-1]
            for within in _cut(stretch, edges, grain, size):
                page = read_page(connection, RecordID(table, within))
                size.learn(page)
                if page:
                    yield page
    except TableMissing:
        return


def read_page(connection: Connection, within: RecordID) -> Page:
    """The rows of a range of keys, each with its bytes."""
    rows = connection.first("SELECT * FROM $range", range=within)
    return [(row, packed(row)) for row in rows]


def _stretches(connection: Connection, table: str) -> Iterator[Range]:
    """Ranges of about ``_STRIDE`` keys, from the first key to the one that is the last now."""
    ends = connection.run(
        f"SELECT VALUE id FROM {table} LIMIT 1; "
        f"SELECT VALUE id FROM {table} ORDER BY id DESC LIMIT 1"
    )
    if not all(ends):
        return
    low, last = ends[0][0], ends[1][0]
    for place in itertools.count(_STRIDE, _STRIDE):
        found = connection.first(f"SELECT VALUE id FROM {table} START {place} LIMIT 1")
        ahead, final = connection.first(
            "RETURN [$edge > $low, $edge = NONE OR $edge >= $last]",
            edge=found[0] if found else None,
            low=low,
            last=last,
        )
        if final:
            yield Range(BoundIncluded(low.id), BoundIncluded(last.id))
            return
        if ahead:
            yield Range(BoundIncluded(low.id), BoundExcluded(found[0].id))
            low = found[0]


def _cut(stretch: Range, edges: Sequence[RecordID], grain: int, size: PageSize) -> Iterator[Range]:
    """The stretch in pages; ``edges`` has every key that is ``grain`` keys after another."""
    start = 0
    while start < len(edges):
        stop = start + max(1, size.rows // grain)
        end = BoundExcluded(edges[stop].id) if stop < len(edges) else stretch.end
        yield Range(BoundIncluded(edges[start].id), end)
        start = stop
