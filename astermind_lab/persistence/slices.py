"""Cut a range of integers into pieces that hold few enough rows to be read at once.

The engine reads a whole range of keys before it applies LIMIT, so pages have to be ranges. Where
keys are times, nobody knows in advance how many rows a stretch of time holds; counting a range is
cheap, because only its keys are visited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from surrealdb import RecordID

from astermind_lab.persistence.connection import Connection

__all__ = ["count_records", "slices"]


def slices(
    count: Callable[[int, int], int], low: int, high: int, limit: int
) -> Iterator[tuple[int, int, int]]:
    """Pieces (start, stop, n) of [low, high), in order and without gaps where rows are.

    ``count(start, stop)`` is the number of rows in [start, stop). A piece holds at most ``limit``
    rows, unless it is one integer wide. Empty stretches are left out.

    >>> rows = [3, 4, 5, 90, 90, 90, 91]
    >>> held = lambda start, stop: sum(start <= row < stop for row in rows)
    >>> [piece for piece in slices(held, 0, 100, 2)]
    [(3, 4, 1), (4, 6, 2), (90, 91, 3), (91, 93, 1)]
    """
    waiting = [(low, high, count(low, high))]
    while waiting:
        low, high, n = waiting.pop()
        if n > limit and high - low > 1:
            middle = (low + high) // 2
            left = count(low, middle)
            waiting.append((middle, high, n - left))
            waiting.append((low, middle, left))
        elif n > 0:
            yield low, high, n


def count_records(connection: Connection, records: RecordID) -> int:
    """How many records a range holds."""
    rows = connection.first("SELECT count() FROM $range GROUP ALL", range=records)
    return int(rows[0]["count"]) if rows else 0
