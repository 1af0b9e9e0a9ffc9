"""Counting the prediction log anew.

For logs of versions that kept no tallies, and as a repair. What retention has removed the rows of
is kept: hours before that moment stay as they are, and days are put together from their hours.
Nobody should log meanwhile: what is written while its model is counted may be counted twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from surrealdb import RecordID

from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.counted import Change
from astermind_lab.persistence.prediction_rows import between
from astermind_lab.persistence.predictions import PredictionRepository, added, note
from astermind_lab.persistence.retention import horizon
from astermind_lab.persistence.slices import count_records, slices
from astermind_lab.persistence.tally_rows import (
    LENGTHS,
    Bucket,
    Piece,
    read_tallies,
    write_tally,
)

__all__ = ["count_earlier_predictions", "recount"]

_EVER = 2**62
_CHUNK = 1_500
_DAY = LENGTHS["d"]
_log = logging.getLogger(__name__)


def recount(
    connection: Connection,
    predictions: PredictionRepository,
    progress: Callable[[int], None] = lambda n: None,
) -> dict[str, int]:
    """Count all predictions anew; how many each model has.

    progress : called with the number counted so far
    """
    models = connection.first("SELECT VALUE model_id FROM predictions GROUP BY model_id")
    done = {model_id: 0 for model_id in sorted(models)}
    predictions.counted.commit(Change(more=[note(model_id) for model_id in done]))
    since = horizon(connection)
    for model_id in sorted({*done, *predictions.models()}):
        _clear(connection, model_id, since)

        def count(low: int, high: int, model_id: str = model_id) -> int:
            return count_records(connection, between(model_id, low, high))

        for low, high, n in slices(count, since, _EVER, _CHUNK):
            rows = connection.first("SELECT * FROM $range", range=between(model_id, low, high))
            predictions.counted.commit(Change(counted=added((), rows)))
            done[model_id] = done.get(model_id, 0) + n
            progress(sum(done.values()))
    return done


def count_earlier_predictions(connection: Connection, predictions: PredictionRepository) -> None:
    """Count a log that a version without tallies has left, if nobody does it already."""
    if connection.first("SELECT VALUE id FROM monitored_models LIMIT 1"):
        return
    if not connection.first("SELECT VALUE id FROM predictions LIMIT 1"):
        return
    mine = connection.write_once(
        "(INSERT IGNORE INTO _counter $claim RETURN VALUE n)",
        claim=[{"id": RecordID("_counter", "earlier predictions counted"), "n": 1}],
    )
    if mine:
        _log.warning("counting the predictions that an earlier version has logged, once")
        recount(connection, predictions)


def _clear(connection: Connection, model_id: str, since: int) -> None:
    """Remove the tallies of what is counted anew; days keep their hours from before ``since``."""
    first_day = since // _DAY * _DAY
    for level in LENGTHS:
        start = first_day if level == "d" else since
        records = Piece(level, start, _EVER).records(model_id)
        connection.write("DELETE $range RETURN NONE", range=records)
    kept = Piece("h", first_day, since).records(model_id)
    hours: dict[str | None, list[dict[str, Any]]] = {}
    for row in connection.first("SELECT * FROM $range", range=kept):
        hours.setdefault(row.get("version"), []).append(row)
    for version, rows in hours.items():
        bucket = Bucket(model_id, "d", first_day, version)
        row = write_tally(bucket, 0, 1, read_tallies(rows), False)
        connection.write("UPSERT $record CONTENT $row RETURN NONE", record=row["id"], row=row)
