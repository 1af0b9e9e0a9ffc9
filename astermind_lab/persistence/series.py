"""The tallies of a stretch of time one after the other, by day, hour, minute or six seconds.

Six seconds are counted by themselves only in minutes that were opened because they got crowded
(``tally_rows.py``). Of the others the rows are read, which are few then. As for a window, it is
first looked which minutes are open, and what answers looks again in the same transaction.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from astermind_lab.core.tally import Tally
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.prediction_rows import between, observation
from astermind_lab.persistence.tally_rows import LENGTHS, Piece, read_tallies

__all__ = ["tallies_by_step"]

_ATTEMPTS = 20  # to read while others write, before it is taken as it is
_MINUTE = LENGTHS["m"]
_FIELDS = "id, version, ground_truth, prediction, confidence, latency_ms"
_FEATURES = ", made_by, features"

Row = Mapping[str, Any]
Versions = Collection[str | None] | None


def tallies_by_step(
    connection: Connection,
    model_id: str,
    level: str,
    since: int,
    until: int,
    versions: Versions = None,
    features: bool = False,
) -> list[tuple[int, Tally]]:
    """The steps that have any prediction, in order: from that of ``since`` to that of ``until``.

    level : d, h, m or 6s     since, until : microseconds since 1970
    versions : only these     features : with the sums of drift features
    """
    length = LENGTHS[level]
    piece = Piece(level, since // length * length, until // length * length + length)
    asked = f"SELECT id, version, data{', features' * features} FROM $tallies WHERE first <= last"
    if level == "6s":
        rows, single = _open_minutes(connection, model_id, piece, asked, versions, features)
    else:
        rows, single = connection.first(asked, tallies=piece.records(model_id)), []
    found = {
        at: read_tallies(some)
        for at, some in _by_step(_of(rows, versions), lambda row: int(row["id"].id[2]))
    }
    for at, some in _by_step(single, lambda row: row["id"].id[1] // length * length):
        found.setdefault(at, Tally()).add(Tally.of(map(observation, some)))
    return [(at, tally) for at, tally in sorted(found.items()) if tally]


class _Closed(NamedTuple):
    """Minutes that touch and are counted only as a whole, for these versions."""

    low: int
    high: int
    versions: frozenset[str | None]


def _open_minutes(
    connection: Connection,
    model_id: str,
    piece: Piece,
    asked: str,
    versions: Versions,
    features: bool,
) -> tuple[list[Row], list[Row]]:
    """The tallies of six seconds, and the rows that are in none."""
    low, high = piece.low // _MINUTE * _MINUTE, -(-piece.high // _MINUTE) * _MINUTE
    look = "SELECT id, version, fine FROM $minutes"
    bound: dict[str, Any] = {
        "minutes": Piece("m", low, high).records(model_id),
        "tallies": piece.records(model_id),
    }
    fields = _FIELDS + _FEATURES * features
    closed = _closed(connection.first(look, **bound), versions)
    for _ in range(_ATTEMPTS):
        parts = [f"({look})", f"({asked})"]
        for place, one in enumerate(closed):
            parts.append(f"(SELECT {fields} FROM $r{place} WHERE version IN $v{place})")
            ends = max(one.low, piece.low), min(one.high, piece.high)
            bound |= {f"r{place}": between(model_id, *ends), f"v{place}": list(one.versions)}
        now, tallies, *single = connection.first(f"RETURN [{', '.join(parts)}]", **bound)
        before, closed = closed, _closed(now, versions)
        if closed == before:
            break
    return tallies, [row for rows in single for row in rows]


def _closed(rows: Iterable[Row], versions: Versions) -> list[_Closed]:
    """The minutes that are not open, in order, as few stretches as possible."""
    minutes: dict[int, set[str | None]] = {}
    for row in _of(rows, versions):
        if not row["fine"]:
            minutes.setdefault(row["id"].id[2], set()).add(row.get("version"))
    found: list[_Closed] = []
    for start, which in sorted(minutes.items()):
        one = _Closed(start, start + _MINUTE, frozenset(which))
        if found and (found[-1].high, found[-1].versions) == (one.low, one.versions):
            one = found.pop()._replace(high=one.high)
        found.append(one)
    return found


def _of(rows: Iterable[Row], versions: Versions) -> Iterator[Row]:
    return (row for row in rows if versions is None or row.get("version") in versions)


def _by_step(rows: Iterable[Row], step: Any) -> Iterator[tuple[int, list[Row]]]:
    ordered = sorted(rows, key=step)
    return ((at, list(some)) for at, some in itertools.groupby(ordered, step))
