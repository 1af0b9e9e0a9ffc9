"""Windows over the prediction log, put together from tallies.

A window is covered by whole days, hours and minutes. At a ragged end the minute's tally will do if
all its predictions lie inside the window; else its parts are taken, if it is open, or the rows
themselves, which are few then. First it is looked which, then one transaction reads it all, and
looks again whether that is still the right way to put it together: so what is written meanwhile is
in the answer as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from astermind_lab.core.tally import Tally
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.prediction_rows import between, check_window, moment, observation
from astermind_lab.persistence.retention import horizon
from astermind_lab.persistence.series import tallies_by_step
from astermind_lab.persistence.slices import count_records, slices
from astermind_lab.persistence.tally_rows import (
    FINER,
    LENGTHS,
    Piece,
    cover,
    cut,
    read_tallies,
)
from astermind_lab.persistence.values import check_id, plain_moment

__all__ = ["Overview", "TallyRepository", "Totals"]

_HOUR = LENGTHS["h"]
_MOST_ROWS = 20_000  # read at once
_ATTEMPTS = 20  # to read while others write, before a window is taken as it is

Rows = Sequence[Mapping[str, Any]]
Version = str | None
_COUNTED = "id, version, data"
_FULL = "first <= last"  # not a shard that was only opened
_FIELDS = "id, version, ground_truth, prediction, confidence, latency_ms"


class _Part(NamedTuple):
    """What a window is made of: the tallies, or with level "" the rows, of a stretch.

    versions : only of these; None is of all
    """

    piece: Piece
    versions: frozenset[Version] | None = None


class _Edge(NamedTuple):
    """A ragged end: a stretch inside a bucket of a level, of some versions or of all (None)."""

    piece: Piece
    level: str
    versions: frozenset[Version] | None


# What becomes of each version's tally at an edge: in, out, fine (its parts are taken) or rows.
_Ways = Mapping[Version, str]


@dataclass(frozen=True)
class Totals:
    """What the predictions of a window add up to, by version; None is without a version.

    low, high : the stretch [low, high) that was counted, in microseconds since 1970. It is wider
        than what was asked for where the rows at its ends are kept no more.
    """

    by_version: Mapping[str | None, Tally]
    low: int
    high: int

    @cached_property
    def total(self) -> Tally:
        """Of all versions."""
        if len(self.by_version) == 1:
            return next(iter(self.by_version.values()))
        total = Tally()
        for tally in self.by_version.values():
            total.add(tally)
        return total


class Overview(NamedTuple):
    """A model's predictions, those with a truth, and the first and the last day that has any."""

    model_id: str
    predictions: int
    truths: int
    first_day: datetime | None
    last_day: datetime | None


class TallyRepository:
    """Reads windows; writing is the affair of ``counted.py``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def window(
        self,
        model_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        versions: Collection[str | None] | None = None,
        features: bool = False,
    ) -> Totals:
        """The totals from ``start`` to ``end``, both included.

        versions : only these     features : with the sums of drift features
        Raises InvalidInput, StoreError.
        """
        check_id("model_id", model_id)
        since, until = check_window(start, end)
        low, high = self._widened(since, until + 1)
        found: dict[str | None, Tally] = {}
        for version, tally in self._read(model_id, cover(low, high), features):
            if versions is not None and version not in versions:
                continue
            if version in found:
                found[version].add(tally)
            else:
                found[version] = tally
        return Totals({version: tally for version, tally in found.items() if tally}, low, high)

    def series(
        self,
        model_id: str,
        level: str,
        start: datetime,
        end: datetime,
        *,
        versions: Collection[str | None] | None = None,
        features: bool = False,
    ) -> list[tuple[datetime, Tally]]:
        """The tallies of every day, hour, minute or 6 s (level d, h, m, 6s) that has any, in order.

        From the one in which ``start`` lies to the one in which ``end`` lies.

        versions : only these     features : with the sums of drift features
        """
        check_id("model_id", model_id)
        since, until = check_window(start, end)
        found = tallies_by_step(self._connection, model_id, level, since, until, versions, features)
        return [(moment(at), tally) for at, tally in found]

    def overview(self, models: Sequence[str]) -> list[Overview]:
        """What there is of each of these models."""
        found = []
        for model_id in models:
            everything = Piece("d", -(2**62), 2**62).records(model_id)
            rows = self._connection.first(
                "SELECT start, n, known FROM $range WHERE n > 0", range=everything
            )
            days = [plain_moment(row["start"]) for row in rows]
            n, known = (sum(row[name] for row in rows) for name in ("n", "known"))
            first, last = min(days, default=None), max(days, default=None)
            found.append(Overview(model_id, n, known, first, last))
        return found

    def _widened(self, low: int, high: int) -> tuple[int, int]:
        """The window to whole hours where the rows are gone."""
        before = horizon(self._connection)
        wide = low // _HOUR * _HOUR if low < before else low
        return wide, -(-high // _HOUR) * _HOUR if high < before else high

    def _read(
        self, model_id: str, pieces: Sequence[Piece], features: bool
    ) -> Iterator[tuple[Version, Tally]]:
        """What the pieces add up to, in parts."""
        wholes = [_Part(piece) for piece in pieces if piece.level]
        ends = [_Edge(piece, "m", None) for piece in pieces if not piece.level]
        for attempt in range(_ATTEMPTS):
            parts, seen = self._put_together(model_id, ends)
            answer = self._ask(model_id, [*wholes, *parts], list(seen), features)
            edges = zip(seen.items(), answer[len(wholes) + len(parts) :], strict=True)
            if attempt == _ATTEMPTS - 1 or all(_ways(edge, rows) == w for (edge, w), rows in edges):
                break
        answered = list(zip([*wholes, *parts], answer, strict=False))
        by_version: dict[Version, list[Mapping[str, Any]]] = {}
        for part, rows in answered:
            for row in _of(rows, part.versions) if part.piece.level else ():
                by_version.setdefault(row.get("version"), []).append(row)
        for version, some in by_version.items():
            yield version, read_tallies(some)
        for part, rows in answered:
            if not part.piece.level:
                few = rows is not None
                yield from (
                    _observed(_of(rows, part.versions)) if few else self._busy(model_id, part)
                )

    def _put_together(
        self, model_id: str, ends: Sequence[_Edge]
    ) -> tuple[list[_Part], dict[_Edge, _Ways]]:
        """The parts of ragged ends, and at each edge on the way what was found there."""
        parts: list[_Part] = []
        seen: dict[_Edge, _Ways] = {}
        while ends:
            answer = self._connection.first(
                f"RETURN [{', '.join(_looks(ends))}]", **_bounds(model_id, ends)
            )
            following: list[_Edge] = []
            for edge, rows in zip(ends, answer, strict=True):
                ways = seen[edge] = _ways(edge, rows)
                inside, fine, torn = (
                    frozenset(v for v, way in ways.items() if way == wanted)
                    for wanted in ("in", "fine", "rows")
                )
                if inside:
                    parts.append(_Part(edge.piece.around(edge.level), inside))
                if torn:
                    parts.append(_Part(edge.piece, torn))
                if fine:
                    level = FINER[edge.level]
                    for piece in cut(edge.piece.low, edge.piece.high, (level,)):
                        if piece.level:
                            parts.append(_Part(piece, fine))
                        else:
                            following.append(_Edge(piece, level, fine))
            ends = following
        return parts, seen

    def _ask(
        self, model_id: str, parts: Sequence[_Part], edges: Sequence[_Edge], features: bool
    ) -> list[Any]:
        """In one transaction: the rows of each part, then what is to be seen at each edge."""
        bound: dict[str, Any] = {}
        asked = []
        for place, part in enumerate(parts):
            name = f"p{place}"
            if part.piece.level:
                bound[name] = part.piece.records(model_id)
                asked.append(
                    f"(SELECT {_COUNTED}{', features' * features} FROM ${name} WHERE {_FULL})"
                )
                continue
            bound[name] = between(model_id, part.piece.low, part.piece.high)
            fields = _FIELDS + ", made_by, features" * features
            asked.append(
                f"(IF (SELECT count() FROM ${name} GROUP ALL)[0].count > {_MOST_ROWS} "
                f"THEN NONE ELSE (SELECT {fields} FROM ${name}) END)"
            )
        asked += _looks(edges)
        bound |= _bounds(model_id, edges)
        answer: list[Any] = self._connection.first(f"RETURN [{', '.join(asked)}]", **bound)
        return answer

    def _busy(self, model_id: str, part: _Part) -> Iterator[tuple[Version, Tally]]:
        """Rows that are too many to be read at once, slice by slice."""

        def count(low: int, high: int) -> int:
            return count_records(self._connection, between(model_id, low, high))

        for low, high, _ in slices(count, part.piece.low, part.piece.high, _MOST_ROWS):
            rows = self._connection.first(
                f"SELECT {_FIELDS}, made_by, features FROM $range",
                range=between(model_id, low, high),
            )
            yield from _observed(_of(rows, part.versions))


def _looks(edges: Sequence[_Edge]) -> list[str]:
    return [f"(SELECT version, n, fine, first, last FROM $e{place})" for place in range(len(edges))]


def _bounds(model_id: str, edges: Sequence[_Edge]) -> dict[str, Any]:
    return {
        f"e{place}": edge.piece.around(edge.level).records(model_id)
        for place, edge in enumerate(edges)
    }


def _ways(edge: _Edge, rows: Rows) -> _Ways:
    """What is to be done about each version at an edge, given the rows of its tallies there."""
    bounds: dict[Version, tuple[int, int]] = {}
    fine: dict[Version, bool] = {}
    for row in _of(rows, edge.versions):
        version = row.get("version")
        low, high = bounds.get(version, (row["first"], row["last"]))
        bounds[version] = min(low, row["first"]), max(high, row["last"])
        fine[version] = row["fine"]  # the same for all shards
    return {
        version: "in"
        if edge.piece.low <= first and last < edge.piece.high
        else "out"
        if last < edge.piece.low or edge.piece.high <= first
        else "fine"
        if fine[version]
        else "rows"
        for version, (first, last) in bounds.items()
    }


def _of(rows: Rows, versions: frozenset[Version] | None) -> Iterable[Mapping[str, Any]]:
    if versions is None:
        return rows
    return (row for row in rows if row.get("version") in versions)


def _observed(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Version, Tally]]:
    by_version: dict[Version, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_version.setdefault(row.get("version"), []).append(row)
    for version, some in by_version.items():
        yield version, Tally.of(map(observation, some))
