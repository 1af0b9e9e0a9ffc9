"""Feedback: what turned out to be right, said after the prediction was logged.

The truth goes into the prediction's row and so into the tallies, in one transaction with its line
in the table ``feedback``. Feedback may come before its prediction, which can still be on its way
from another process: it then waits, and whoever brings the prediction applies it. Neither of the
two can miss the other, because each looks for the other after its own write is done.
"""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from surrealdb import BoundExcluded, BoundIncluded, Range, RecordID

from astermind_lab.clock import Clock
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.counted import Advance, Change, KeyTaken, Moved
from astermind_lab.persistence.prediction_rows import parts_of, record_of, ticks
from astermind_lab.persistence.predictions import (
    PredictionRepository,
    added,
    without_known,
)
from astermind_lab.persistence.values import check_id, check_moment, check_text, record_name

__all__ = ["Feedback", "FeedbackRepository"]

_PATIENCE = timedelta(days=7)  # so long feedback waits for its prediction, once it has come
_SWEPT = 500
_SWEEP_SECONDS = 3600.0

_log = logging.getLogger(__name__)
Row = dict[str, Any]


@dataclass(frozen=True)
class Feedback:
    """A truth for the prediction of a record id, or of a model and a key.

    Exactly one of prediction_id and key is given.
    """

    model_id: str
    ground_truth: str
    timestamp: datetime
    prediction_id: str | None = None
    key: str | None = None

    @property
    def target(self) -> tuple[str, str, str]:
        """What tells it from feedback on another prediction."""
        kind = "key" if self.prediction_id is None else "id"
        return self.model_id, kind, self.prediction_id or self.key or ""


class FeedbackRepository:
    """Applies feedback, and keeps what has to wait."""

    def __init__(
        self, connection: Connection, predictions: PredictionRepository, clock: Clock
    ) -> None:
        self._connection = connection
        self._predictions = predictions
        self._clock = clock
        self._writer = uuid.uuid4().hex
        self._numbers = itertools.count()
        self._swept = -_SWEEP_SECONDS

    @staticmethod
    def check(one: Feedback) -> Feedback:
        """Raises InvalidInput, which names the argument, for what cannot be feedback."""
        model_id, name = one.model_id, None
        if one.prediction_id is not None:
            record = record_of(one.prediction_id)
            model_id, name = str(parts_of(record)[0]), record_name(record)
        else:
            check_id("key", one.key)
        return Feedback(
            check_id("model_id", model_id),
            check_text("ground_truth", one.ground_truth),
            check_moment("timestamp", one.timestamp),
            name,
            one.key,
        )

    def give(self, items: Sequence[Feedback]) -> list[bool]:
        """Apply feedback; of each, whether its prediction was there. Durable on return.

        What is False waits for its prediction. Raises InvalidInput, StoreError.
        """
        return self.take_in([], [self.check(one) for one in items], None)

    def take_in(
        self, rows: Sequence[Row], items: Sequence[Feedback], advance: Advance | None
    ) -> list[bool]:
        """Prepared predictions, then feedback on them or on others, in one transaction.

        advance : the spool from which they come. Raises Moved("spool"), StoreError.
        """
        latest = _latest(items)
        taken: dict[tuple[str, str], str] = {}
        while True:
            fresh = without_known(rows, taken)
            found = self._find(latest.values())
            own = _apply_to(fresh, latest.values())
            change = self._change(latest, found, own)
            change.advance = advance
            try:
                self._predictions.commit(fresh, change)
            except KeyTaken:
                taken.update(self._predictions.taken(fresh))
            except Moved as moved:
                if moved.what != "rows":
                    raise
            else:
                break
        self.settle(rows, items)
        if time.monotonic() - self._swept >= _SWEEP_SECONDS:
            self.sweep()
        there = {**dict.fromkeys(own, True), **{target: True for target in found}}
        return [there.get(one.target, False) for one in items]

    def sweep(self) -> int:
        """Go through all that waits: apply it, or give it up; how many were applied.

        Whoever brings a prediction applies what waits for it; this is for what he was killed over.
        """
        self._swept = time.monotonic()
        applied, last = 0, [""]
        while some := self._connection.first(
            f"SELECT VALUE id FROM $range LIMIT {_SWEPT}",
            range=RecordID("_waiting", Range(BoundExcluded(last), BoundIncluded([[]]))),
        ):
            applied += self._settle(some)
            last = list(parts_of(some[-1]))
        return applied

    def settle(self, rows: Iterable[Row], items: Iterable[Feedback]) -> None:
        """Apply what waits for these predictions, and of this feedback what had to wait."""
        if self._connection.first("SELECT VALUE id FROM _waiting LIMIT 1"):
            self._settle([*(_waiting(one.target) for one in items), *_awaited_by(rows)])

    def _settle(self, records: Sequence[RecordID]) -> int:
        """Of what waits, apply that whose prediction is there; how many that were."""
        while True:
            rows = self._connection.first(
                "SELECT * FROM $records WHERE id != NONE", records=list(records)
            )
            rows.sort(key=lambda row: (row["since"], row["timestamp"]))
            waiting = {_feedback(row).target: row for row in rows}
            found = self._find(map(_feedback, rows))
            old = self._clock.now() - _PATIENCE
            given_up = [t for t, row in waiting.items() if row["since"] < old and t not in found]
            words = {t: _feedback(row) for t, row in waiting.items() if t in found}
            change = self._change(words, found, {})
            ends = [waiting[target] for target in (*found, *given_up)]
            if not ends:
                return 0
            change.settled = []
            change.gone = [(row["id"], row["ground_truth"]) for row in ends]
            try:
                self._predictions.counted.commit(change)
            except Moved:
                continue
            if given_up:
                _log.warning("gave up %d pieces of feedback without a prediction", len(given_up))
            return len(found)

    def _find(self, items: Iterable[Feedback]) -> dict[tuple[str, str, str], Row]:
        """The logged predictions that are meant."""
        items = list(items)
        found = {}
        by_id = {one.target: record_of(one.prediction_id) for one in items if one.prediction_id}
        if by_id:
            rows = self._connection.first(
                "SELECT * FROM $records WHERE id != NONE", records=list(by_id.values())
            )
            there = {parts_of(row["id"]): row for row in rows}
            found = {t: there[parts_of(r)] for t, r in by_id.items() if parts_of(r) in there}
        by_key = {(one.model_id, one.key): one.target for one in items if one.key is not None}
        for pair, row in self._predictions.by_keys(list(by_key)).items():
            found[by_key[pair]] = row
        return found

    def _change(
        self,
        items: Mapping[tuple[str, str, str], Feedback],
        found: Mapping[tuple[str, str, str], Row],
        own: Mapping[tuple[str, str, str], Row],
    ) -> Change:
        more: list[Row] = []
        settled: list[RecordID] = []
        words: dict[tuple[Any, ...], str] = {}  # of each prediction, the last so far
        rows: dict[tuple[Any, ...], Row] = {}
        since = self._clock.now()
        for target, one in items.items():
            row = found.get(target) or own.get(target)
            if row is None:
                more.append({"id": _waiting(target), "since": since, **_fields(one)})
                continue
            settled += _awaited_by([row])  # an earlier word, which counts no more
            place = parts_of(row["id"])
            before = None if target in own else words.get(place, row.get("ground_truth"))
            more.append(self._line(one, row["id"], before))
            if target not in own:
                rows[place], words[place] = row, one.ground_truth
        changed = [
            (row, words[place])
            for place, row in rows.items()
            if row.get("ground_truth") != words[place]
        ]
        truths = [(row["id"], row.get("ground_truth"), truth) for row, truth in changed]
        counted = added((), (row for row, _ in changed), -1)
        counted = added(counted, ({**row, "ground_truth": truth} for row, truth in changed))
        return Change(truths=truths, counted=counted, more=more, settled=settled)

    def _line(self, one: Feedback, record: RecordID, before: str | None) -> Row:
        key = [ticks(one.timestamp), next(self._numbers), self._writer]
        return {
            "id": RecordID("feedback", key),
            "model_id": one.model_id,
            "prediction_id": record_name(record),
            "ground_truth": one.ground_truth,
            "previous": before,
            "timestamp": one.timestamp,
        }


def _latest(items: Iterable[Feedback]) -> dict[tuple[str, str, str], Feedback]:
    """The last word on each prediction, in the order in which they were said."""
    latest: dict[tuple[str, str, str], Feedback] = {}
    for one in items:
        latest.pop(one.target, None)
        latest[one.target] = one
    return latest


def _apply_to(rows: Sequence[Row], items: Collection[Feedback]) -> dict[tuple[str, str, str], Row]:
    """Put truths into rows that are about to be written; which feedback that was on which."""
    if not items:
        return {}
    by_id = {record_name(row["id"]): row for row in rows}
    by_key = {(row["model_id"], row["key"]): row for row in rows if row.get("key") is not None}
    own = {}
    for one in items:
        row = by_id.get(one.prediction_id or "") or by_key.get((one.model_id, one.key))
        if row is not None:
            row["ground_truth"] = one.ground_truth
            own[one.target] = row
    return own


def _waiting(target: tuple[str, str, str]) -> RecordID:
    return RecordID("_waiting", list(target))


def _awaited_by(rows: Iterable[Row]) -> Iterator[RecordID]:
    """Where feedback on these predictions waits, if there is any."""
    for row in rows:
        yield _waiting((row["model_id"], "id", record_name(row["id"])))
        if (key := row.get("key")) is not None:
            yield _waiting((row["model_id"], "key", key))


def _feedback(row: Row) -> Feedback:
    return Feedback(
        row["model_id"],
        row["ground_truth"],
        row["timestamp"],
        row.get("prediction_id"),
        row.get("key"),
    )


def _fields(one: Feedback) -> Row:
    return {name: value for name, value in vars(one).items() if value is not None}
