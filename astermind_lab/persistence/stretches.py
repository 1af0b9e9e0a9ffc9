"""Stretches of the prediction log, looked into more and more closely by their tallies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.tally_rows import FINER, LENGTHS, Piece

__all__ = ["AT_ONCE", "COUNTS", "Stretch", "counted", "joined", "shorter", "tallies_in"]

AT_ONCE = 64
"""Stretches that are looked into, or read, by one query."""
COUNTS = "id, n, known, correct, fine"
"""What of a tally is read where its counts will do."""

_FEW = 100  # rows that are read rather than looked for more closely
_NEXT: Mapping[str, str] = {"d": "h", "h": "10m", "10m": "m", **FINER}
_SHORTEST = "60ms"

Row = Mapping[str, Any]
Hits = Callable[[Row], int]


class Stretch(NamedTuple):
    """A stretch of time that may hold what is wanted.

    n : rows in it, as far as they are counted     hits : those that are wanted, likewise
    fine : whether shorter tallies say more     loose : whether some rows are not in those
    """

    level: str
    start: int
    n: int
    hits: int
    fine: bool
    loose: bool = False

    @property
    def stop(self) -> int:
        return self.start + LENGTHS[self.level]

    @property
    def inside(self) -> Piece:
        """Where the tallies of its parts are."""
        return Piece(_NEXT[self.level], self.start, self.stop)

    @property
    def is_leaf(self) -> bool:
        """Whether its rows are read."""
        if self.level == _SHORTEST or (self.level in FINER and not self.fine):
            return True
        return self.n <= _FEW


def tallies_in(
    connection: Connection, model_id: str, columns: str, pieces: Sequence[Piece]
) -> list[list[Row]]:
    """The rows of the tallies of each piece."""
    bound = {f"p{place}": piece.records(model_id) for place, piece in enumerate(pieces)}
    asked = ", ".join(f"(SELECT {columns} FROM ${name})" for name in bound)
    answer: list[list[Row]] = connection.first(f"RETURN [{asked}]", **bound)
    return answer


def shorter(whole: Stretch, rows: Iterable[Row], hits: Hits) -> list[Stretch]:
    """The shorter stretches of a stretch, in order, given their tallies."""
    level = _NEXT[whole.level]
    found = counted(level, rows, hits)
    if not whole.loose:
        return found
    # rows of a version that is not counted here may be anywhere
    there = {part.start: part for part in found}
    starts = range(whole.start, whole.stop, LENGTHS[level])
    nothing = Stretch(level, 0, 0, 0, False)
    return [there.get(at, nothing)._replace(start=at, loose=True) for at in starts]


def counted(level: str, rows: Iterable[Row], hits: Hits) -> list[Stretch]:
    """The stretches in which there is something, in order; hits : of a tally, how many of them."""
    found: dict[int, list[tuple[Row, int]]] = {}
    for row in rows:
        found.setdefault(row["id"].id[2], []).append((row, hits(row)))
    stretches = []
    for start, some in found.items():
        total = sum(n for _, n in some)
        if total <= 0:
            continue
        fine = [row["fine"] for row, n in some if n]
        n = sum(row["n"] for row, _ in some)
        stretches.append(Stretch(level, start, n, total, any(fine), any(fine) and not all(fine)))
    return sorted(stretches, key=lambda stretch: stretch.start)


def joined(leaves: Iterable[Stretch]) -> Iterator[tuple[int, int]]:
    """The stretches, newest first, those that touch as one."""
    low = high = None
    for leaf in leaves:
        if low == leaf.stop:
            low = leaf.start
            continue
        if low is not None and high is not None:
            yield low, high
        low, high = leaf.start, leaf.stop
    if low is not None and high is not None:
        yield low, high
