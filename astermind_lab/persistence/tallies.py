"""Windows over the prediction log, put together from tallies.

A window is covered by whole days, hours and minutes. At a ragged end the minute's tally will do if
all its predictions lie inside the window; else the rows themselves are read. One transaction reads
it all, so that what is written meanwhile is in the answer as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from surrealdb import RecordID

from astermind_lab.core.tally import Tally
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.predictions import check_window, keys, observation
from astermind_lab.persistence.slices import slices
from astermind_lab.persistence.tally_rows import LENGTHS, MINUTE, Piece, cover, read_tally
from astermind_lab.persistence.values import check_id, plain_moment

__all__ = ["TallyRepository", "Totals"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = LENGTHS["h"]
_MOST_ROWS = 20_000  # read at once; a busier minute is read in slices
_HORIZON = RecordID("_counter", "predictions_before")
_BUSY = 20  # a reader gives up on one snapshot after so many attempts


@dataclass(frozen=True)
class Totals:
    """What the predictions of a window add up to, by version; None is without a version.

    low, high : the stretch [low, high) that was counted, in microseconds since 1970. It is wider
        than what was asked for where the rows at its ends are kept no more.
    """

    by_version: Mapping[str | None, Tally]
    low: int
    high: int

    @property
    def total(self) -> Tally:
        """Of all versions."""
        total = Tally()
        for tally in self.by_version.values():
            total.add(tally)
        return total


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
            if versions is None or version in versions:
                found.setdefault(version, Tally()).add(tally)
        return Totals({v: t for v, t in found.items() if t}, low, high)

    def series(
        self,
        model_id: str,
        level: str,
        start: datetime,
        end: datetime,
        *,
        versions: Collection[str | None] | None = None,
    ) -> list[tuple[datetime, Tally]]:
        """The tallies of every minute, hour or day (level m, h, d) that has any, in order.

        From the one in which ``start`` lies to the one in which ``end`` lies.
        """
        check_id("model_id", model_id)
        since, until = check_window(start, end)
        length = LENGTHS[level]
        piece = Piece(level, since // length * length, until // length * length + length)
        rows = self._connection.first(
            "SELECT id, version, data FROM $range", range=piece.records(model_id)
        )
        found: dict[int, Tally] = {}
        for row in rows:
            if versions is None or row.get("version") in versions:
                found.setdefault(row["id"].id[2], Tally()).add(read_tally(row))
        return [(moment(at), tally) for at, tally in sorted(found.items()) if tally]

    def overview(self, models: Sequence[str]) -> list[tuple[str, int, int, datetime | None]]:
        """Of each model its predictions, those with a truth, and the last day that has any."""
        found = []
        for model_id in models:
            everything = Piece("d", -(2**62), 2**62).records(model_id)
            rows = self._connection.first(
                "SELECT start, n, known FROM $range WHERE n > 0", range=everything
            )
            last = max((plain_moment(row["start"]) for row in rows), default=None)
            n, known = (sum(row[name] for row in rows) for name in ("n", "known"))
            found.append((model_id, n, known, last))
        return found

    def _widened(self, low: int, high: int) -> tuple[int, int]:
        """The window to whole hours where the rows are gone."""
        before = self._connection.first("SELECT VALUE n FROM ONLY $horizon", horizon=_HORIZON)
        if before is None:
            return low, high
        wide = low // _HOUR * _HOUR if low < before else low
        return wide, -(-high // _HOUR) * _HOUR if high < before else high

    def _read(
        self, model_id: str, pieces: Sequence[Piece], features: bool
    ) -> Iterator[tuple[str | None, Tally]]:
        """What each piece adds up to, in parts."""
        wholes = [piece for piece in pieces if piece.level]
        ragged = [piece for piece in pieces if not piece.level]
        by_rows: set[Piece] = set()
        for attempt in range(_BUSY):
            answer = self._ask(model_id, wholes, ragged, by_rows, features)
            torn = {
                piece
                for piece, rows in zip(ragged, answer[len(wholes) :], strict=False)
                if _is_torn(piece, rows)
            }
            if torn <= by_rows or attempt == _BUSY - 1:
                break
            by_rows |= torn
        for rows in answer[: len(wholes)]:
            yield from _tallies(rows)
        logged = iter(answer[len(wholes) + len(ragged) :])
        for piece, rows in zip(ragged, answer[len(wholes) :], strict=False):
            if piece in by_rows:
                found = next(logged)
                yield from self._rows(model_id, piece) if found is None else _observed(found)
            else:
                yield from (part for part in _tallies(rows) if _is_inside(piece, part[1]))

    def _ask(
        self,
        model_id: str,
        wholes: Sequence[Piece],
        ragged: Sequence[Piece],
        by_rows: Collection[Piece],
        features: bool,
    ) -> list[Any]:
        """In one transaction: tallies of the wholes, of the ragged minutes, then rows."""
        fields = "id, version, data, features" if features else "id, version, data"
        ranges = [piece.records(model_id) for piece in wholes]
        ranges += [_minute_of(piece).records(model_id) for piece in ragged]
        parts = [f"(SELECT {fields} FROM $r{place})" for place in range(len(ranges))]
        for piece in ragged:
            if piece in by_rows:
                place = len(ranges)
                ranges.append(keys([model_id, piece.low], [model_id, piece.high - 1, []]))
                parts.append(
                    f"(IF (SELECT count() FROM $r{place} GROUP ALL)[0].count > {_MOST_ROWS} "
                    f"THEN NONE ELSE (SELECT {_fields(features)} FROM $r{place}) END)"
                )
        bound = {f"r{place}": records for place, records in enumerate(ranges)}
        answer: list[Any] = self._connection.first(f"RETURN [{', '.join(parts)}]", **bound)
        return answer

    def _rows(self, model_id: str, piece: Piece) -> Iterator[tuple[str | None, Tally]]:
        """A busy minute's end, slice by slice."""

        def count(low: int, high: int) -> int:
            rows = self._connection.first(
                "SELECT count() FROM $range GROUP ALL",
                range=keys([model_id, low], [model_id, high - 1, []]),
            )
            return int(rows[0]["count"]) if rows else 0

        for low, high, _ in slices(count, piece.low, piece.high, _MOST_ROWS):
            rows = self._connection.first(
                f"SELECT {_fields(True)} FROM $range",
                range=keys([model_id, low], [model_id, high - 1, []]),
            )
            yield from _observed(rows)


def moment(at: int) -> datetime:
    """The time of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at)


def _fields(features: bool) -> str:
    some = "id, version, ground_truth, prediction, confidence, latency_ms"
    return f"{some}, made_by, features" if features else some


def _minute_of(piece: Piece) -> Piece:
    start = piece.low // MINUTE * MINUTE
    return Piece("m", start, start + MINUTE)


def _tallies(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str | None, Tally]]:
    for row in rows:
        yield row.get("version"), read_tally(row)


def _observed(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str | None, Tally]]:
    by_version: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_version.setdefault(row.get("version"), []).append(row)
    for version, some in by_version.items():
        yield version, Tally.of(map(observation, some))


def _is_torn(piece: Piece, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the minute of a ragged end may have predictions on both sides of its edge."""
    return any(
        tally and not _is_inside(piece, tally) and not _is_outside(piece, tally)
        for _, tally in _tallies(rows)
    )


def _is_inside(piece: Piece, tally: Tally) -> bool:
    return piece.low <= tally.first and tally.last < piece.high


def _is_outside(piece: Piece, tally: Tally) -> bool:
    return tally.last < piece.low or piece.high <= tally.first
