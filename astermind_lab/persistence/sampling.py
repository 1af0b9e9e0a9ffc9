"""Some predictions of a window, spread evenly over it.

A window with too many to read them all is gone through in a hundred equal steps, counted in
predictions and not in time, so that a night when nobody asks takes nothing away from the day. Where
each step ends, the tallies lead to a stretch of few predictions, and its first are taken. The same
window gives the same predictions, as long as nothing is written.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from surrealdb import RecordID

from astermind_lab.core.tally import Features
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.prediction_rows import between, features_of, moment, parts_of
from astermind_lab.persistence.retention import horizon
from astermind_lab.persistence.stretches import (
    AT_ONCE,
    COUNTS,
    Stretch,
    counted,
    shorter,
    tallies_in,
)
from astermind_lab.persistence.tally_rows import Piece, cover
from astermind_lab.persistence.values import record_name
from astermind_lab.persistence.wanted import Wanted

__all__ = ["Sampled", "spread"]

_STEPS = 100
_FIELDS = "id, input, input_hash, prediction, confidence, made_by, features"


@dataclass(frozen=True)
class Sampled:
    """What is looked at of a prediction."""

    record: RecordID
    input: str | None
    input_hash: str | None
    prediction: str
    confidence: float
    features: Features | None

    @property
    def record_id(self) -> str:
        return record_name(self.record)

    @property
    def timestamp(self) -> datetime:
        return moment(parts_of(self.record)[1])


def spread(
    connection: Connection, model_id: str, wanted: Wanted, low: int, high: int, most: int
) -> list[Sampled]:
    """At most so many of the predictions in [low, high), microseconds since 1970, in time order.

    wanted : says which versions; nothing else of it counts     most : at least a hundred
    """
    low = max(low, horizon(connection))
    if low >= high:
        return []
    whole = _beginning(connection, model_id, wanted, low, high)
    total = sum(one.hits for one in whole)
    takes: dict[Stretch, int] = dict.fromkeys(whole, most)
    if total > most:
        places = [(step + 0.5) * total / _STEPS for step in range(_STEPS)]
        takes = {
            leaf: len(some) * most // _STEPS
            for leaf, some in _descend(connection, model_id, wanted, whole, places).items()
        }
    found = _rows(connection, model_id, wanted, low, high, takes)
    return sorted(found, key=lambda one: parts_of(one.record))[:most]


def _beginning(
    connection: Connection, model_id: str, wanted: Wanted, low: int, high: int
) -> list[Stretch]:
    """The longest stretches that make the window; ragged ends count as their whole minute."""
    pieces: list[Piece] = []
    for piece in cover(low, high):
        whole = piece if piece.level else piece.around("m")
        if whole not in pieces[-1:]:
            pieces.append(whole)
    answers = tallies_in(connection, model_id, COUNTS, pieces)
    found = [
        one
        for piece, rows in zip(pieces, answers, strict=True)
        for one in counted(piece.level, rows, wanted.at_most)
    ]
    return sorted(found, key=lambda one: one.start)


def _descend(
    connection: Connection,
    model_id: str,
    wanted: Wanted,
    whole: Sequence[Stretch],
    places: Sequence[float],
) -> dict[Stretch, list[float]]:
    """The stretches to be read, and which places lie in them; places : numbers of predictions."""
    inside = _shared_out(whole, places)
    while coarse := [one for one in inside if not one.is_leaf][:AT_ONCE]:
        answers = tallies_in(connection, model_id, COUNTS, [one.inside for one in coarse])
        for one, rows in zip(coarse, answers, strict=True):
            parts = shorter(one, rows, wanted.at_most)
            for part, some in _shared_out(parts, inside.pop(one)).items():
                inside.setdefault(part, []).extend(some)
    return inside


def _shared_out(
    stretches: Sequence[Stretch], places: Sequence[float]
) -> dict[Stretch, list[float]]:
    """In which stretch each place lies, and where there, given that each holds its hits."""
    ends = list(itertools.accumulate(max(one.hits, 1) for one in stretches))
    found: dict[Stretch, list[float]] = {}
    for place in places if ends else ():
        number = min(bisect.bisect_right(ends, place), len(ends) - 1)
        start = ends[number - 1] if number else 0
        found.setdefault(stretches[number], []).append(place - start)
    return found


def _rows(
    connection: Connection,
    model_id: str,
    wanted: Wanted,
    low: int,
    high: int,
    takes: Mapping[Stretch, int],
) -> list[Sampled]:
    """The first of each stretch."""
    found: list[Sampled] = []
    waiting = list(takes.items())
    while waiting:
        some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        bound: dict[str, Any] = dict(wanted.bound())
        asked = []
        for place, (one, most) in enumerate(some):
            bound[f"r{place}"] = between(model_id, max(one.start, low), min(one.stop, high))
            bound[f"m{place}"] = most
            asked.append(
                f"(SELECT {_FIELDS} FROM $r{place} WHERE {wanted.condition()} LIMIT $m{place})"
            )
        answer = connection.first(f"RETURN [{', '.join(asked)}]", **bound)
        found += [_sampled(row) for rows in answer for row in rows]
    return found


def _sampled(row: Mapping[str, Any]) -> Sampled:
    return Sampled(
        record=row["id"],
        input=row.get("input"),
        input_hash=row.get("input_hash"),
        prediction=row["prediction"],
        confidence=row["confidence"],
        features=features_of(row),
    )
