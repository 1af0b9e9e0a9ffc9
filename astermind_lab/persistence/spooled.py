"""Predictions and feedback as the bytes of a spool, and their way from there into the database.

Each batch is stored in one transaction with the place in the spool up to which it reaches. So a
batch that is sent again, by whoever, after whatever, is either stored now or known to be stored.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from surrealdb import RecordID

from astermind_lab.errors import StoreError
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.counted import Advance, Moved
from astermind_lab.persistence.feedback import Feedback, FeedbackRepository
from astermind_lab.persistence.prediction_rows import moment, ticks
from astermind_lab.persistence.predictions import Prediction, PredictionRepository
from astermind_lab.persistence.values import check_object, from_database, record_name

__all__ = ["SpooledWrites"]

_FORGET = """{
    UPDATE $spools SET gone = true, touched = time::now() RETURN NONE;
    DELETE _spools WHERE gone = true AND touched < time::now() - 1d RETURN NONE;
}"""
_PREDICTION, _FEEDBACK = b"P", b"F"


class SpooledWrites:
    """Packs what is to be spooled, and takes it in later.

    complete : called with rows before they are stored, to add what was too slow to add before
    """

    def __init__(
        self,
        connection: Connection,
        predictions: PredictionRepository,
        feedback: FeedbackRepository,
    ) -> None:
        self._connection = connection
        self._predictions = predictions
        self._feedback = feedback
        self.complete: Callable[[Sequence[dict[str, Any]]], None] = lambda rows: None

    def pack(self, rows: Sequence[Prediction]) -> tuple[list[str], list[bytes]]:
        """The record ids that predictions will have, and their bytes; raises InvalidInput."""
        prepared = self._predictions.prepare(rows)
        return [record_name(row["id"]) for row in prepared], [_pack_row(row) for row in prepared]

    def pack_feedback(self, one: Feedback) -> bytes:
        """Feedback as bytes; raises InvalidInput."""
        fields = {**vars(self._feedback.check(one)), "timestamp": ticks(one.timestamp)}
        return _FEEDBACK + json.dumps(fields, separators=(",", ":")).encode()

    def take_in(self, spool: str, start: int, end: int, payloads: Iterable[bytes]) -> None:
        """Store what stands between two places of a spool; done once however often it is asked.

        Raises StoreError; then nothing was stored.
        """
        rows, items = _unpack(payloads)
        self.complete(rows)
        advance = Advance(_record(spool), start, end)
        try:
            self._feedback.take_in(rows, items, advance)
        except Moved:
            found = self.position(spool)
            if found < end:
                raise StoreError(
                    f"the spool {spool} was read up to {found} by another program, not {start}"
                ) from None
            self._feedback.settle(rows, items)

    def position(self, spool: str) -> int:
        """Up to where a spool has been stored; 0 for one of which nothing has."""
        found = self._connection.first(
            "SELECT VALUE position FROM ONLY $spool", spool=_record(spool)
        )
        return int(found or 0)

    def forget(self, spools: Sequence[str]) -> None:
        """Spools whose files are gone need no place any more.

        It is kept for a day all the same: what a program sent before it was killed may still come.
        """
        self._connection.write(_FORGET, spools=[_record(spool) for spool in spools])

    def catch_up(self) -> None:
        """Apply feedback that somebody was killed before he could apply."""
        self._feedback.sweep()


def _record(spool: str) -> RecordID:
    return RecordID("_spools", spool)


def _pack_row(row: Mapping[str, Any]) -> bytes:
    fields = dict(row)
    del fields["timestamp"], fields["model_id"]  # both stand in the key
    fields["id"] = fields["id"].id
    fields["metadata"] = from_database(fields["metadata"])
    if "features" in fields:
        fields["features"] = binascii.b2a_base64(fields["features"], newline=False).decode()
    return _PREDICTION + json.dumps(fields, separators=(",", ":")).encode()


def _unpack(payloads: Iterable[bytes]) -> tuple[list[dict[str, Any]], list[Feedback]]:
    rows: list[dict[str, Any]] = []
    items: list[Feedback] = []
    for payload in payloads:
        fields = json.loads(payload[1:])
        if payload[:1] == _FEEDBACK:
            fields["timestamp"] = moment(fields["timestamp"])
            items.append(Feedback(**fields))
        else:
            rows.append(_row(fields))
    return rows, items


def _row(fields: dict[str, Any]) -> dict[str, Any]:
    key = fields["id"]
    row = {
        **fields,
        "id": RecordID("predictions", key),
        "model_id": key[0],
        "timestamp": moment(key[1]),
        "metadata": check_object("metadata", fields["metadata"]),
    }
    if "features" in row:
        row["features"] = binascii.a2b_base64(row["features"])
    return row
