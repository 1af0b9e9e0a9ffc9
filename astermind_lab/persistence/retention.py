"""What is taken away when it has been kept long enough.

Predictions go without their tallies: what they added up to outlives them. The moment up to which
they are gone is noted first, so that windows before it are counted in whole hours from then on. The
tallies of single minutes go with the rows, those of hours and days when their own time has come.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from surrealdb import RecordID

from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.prediction_rows import between, ticks
from astermind_lab.persistence.slices import count_records, slices
from astermind_lab.persistence.tally_rows import LENGTHS, Piece
from astermind_lab.persistence.values import check_moment

if TYPE_CHECKING:
    from astermind_lab.persistence.predictions import PredictionRepository

__all__ = ["RetentionRepository", "horizon"]

_HORIZON = RecordID("_counter", "predictions_before")
_LONG_AGO = -(2**62)
_CHUNK = 2_000
_SHORT = [level for level, length in LENGTHS.items() if length < LENGTHS["h"]]


class RetentionRepository:
    """Removes predictions and tallies of before a moment, model by model."""

    def __init__(self, connection: Connection, predictions: PredictionRepository) -> None:
        self._connection = connection
        self._predictions = predictions

    def count_predictions(self, before: datetime) -> dict[str, int]:
        """How many predictions of each model are older; models without are left out."""
        edge = _hour(before)
        counts = {m: self._count(m, _LONG_AGO, edge) for m in self._predictions.models()}
        return {model_id: n for model_id, n in counts.items() if n}

    def expire_predictions(
        self, before: datetime, progress: Callable[[int], None] = lambda n: None
    ) -> dict[str, int]:
        """Remove predictions from before the hour of a moment; how many, by model.

        progress : called with the number removed so far
        """
        edge = _hour(before)
        self._connection.write(
            "UPSERT $horizon SET n = math::max([n ?? $edge, $edge]) RETURN NONE",
            horizon=_HORIZON,
            edge=edge,
        )
        removed: dict[str, int] = {}
        for model_id in self._predictions.models():

            def count(low: int, high: int, model_id: str = model_id) -> int:
                return self._count(model_id, low, high)

            for low, high, n in slices(count, _LONG_AGO, edge, _CHUNK):
                self._connection.write(
                    "DELETE $range RETURN NONE", range=between(model_id, low, high)
                )
                removed[model_id] = removed.get(model_id, 0) + n
                progress(sum(removed.values()))
            for level in _SHORT:
                self._remove_tallies(model_id, level, edge)
        self._connection.write("DELETE prediction_keys WHERE at < $edge RETURN NONE", edge=edge)
        return removed

    def count_tallies(self, before: datetime) -> int:
        """How many hours and days of tallies are older."""
        return sum(
            self._count_tallies(model_id, level, _LONG_AGO, ticks(check_moment("before", before)))
            for model_id in self._predictions.models()
            for level in ("h", "d")
        )

    def expire_tallies(self, before: datetime) -> int:
        """Remove tallies of hours and days that end before a moment; how many."""
        edge = ticks(check_moment("before", before))
        return sum(
            self._remove_tallies(model_id, level, edge - LENGTHS[level])
            for model_id in self._predictions.models()
            for level in LENGTHS
        )

    def _remove_tallies(self, model_id: str, level: str, edge: int) -> int:
        def count(low: int, high: int) -> int:
            return self._count_tallies(model_id, level, low, high)

        removed = 0
        for low, high, n in slices(count, _LONG_AGO, edge, _CHUNK):
            records = Piece(level, low, high).records(model_id)
            self._connection.write("DELETE $range RETURN NONE", range=records)
            removed += n
        return removed

    def _count(self, model_id: str, low: int, high: int) -> int:
        return count_records(self._connection, between(model_id, low, high))

    def _count_tallies(self, model_id: str, level: str, low: int, high: int) -> int:
        return count_records(self._connection, Piece(level, low, high).records(model_id))


def horizon(connection: Connection) -> int:
    """Before which moment, in microseconds since 1970, predictions have been removed."""
    found = connection.first("SELECT VALUE n FROM ONLY $horizon", horizon=_HORIZON)
    return _LONG_AGO if found is None else int(found)


def _hour(moment: datetime) -> int:
    """The beginning of the hour of a moment, in microseconds since 1970."""
    return ticks(check_moment("before", moment)) // LENGTHS["h"] * LENGTHS["h"]
