"""Data sets: labelled texts as rows, so that a million of them fit.

The examples of a data set are the rows ``examples:[uid, 0]``, ``[uid, 1]``, …, written in chunks
and read by ranges of keys, so that neither side ever holds more than a page. The row in
``datasets`` shows up only after the last example was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from surrealdb import RecordID

from astermind_lab.clock import Clock
from astermind_lab.errors import InvalidInput, NotFound, StoreError, nearest, shown
from astermind_lab.persistence.claims import Claims
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.values import (
    check_id,
    check_object,
    check_text,
    from_database,
    plain_moment,
    record_name,
)

__all__ = ["Dataset", "DatasetRepository"]

CHUNK_ROWS = 1_500
CHUNK_CHARACTERS = 4_000_000
_PAGE_ROWS = 2_000
_SWEEP_ROWS = 5_000

_RANGE = "examples:[$uid, $start]..[$uid, $stop]"


@dataclass(frozen=True)
class Dataset:
    """A stored data set; ``labels`` counts the examples of each, in order of first appearance."""

    dataset_id: str
    size: int
    labels: dict[str, int]
    metadata: dict[str, Any]
    created_at: datetime
    record_id: str


# The class below has a method named list.
Datasets: TypeAlias = list[Dataset]
Pairs: TypeAlias = list[tuple[str, str]]


class DatasetRepository:
    """The stored data sets and their examples."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._claims = Claims(connection, "datasets", self._remove_examples)

    def add(
        self,
        dataset_id: str,
        examples: Iterable[tuple[str, str]],
        metadata: Mapping[str, Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Dataset:
        """Store (text, label) pairs under a new id, all of them or none.

        ``progress`` hears the number of examples written so far. Raises AlreadyExists if the id is
        taken, InvalidInput("examples") with the row number for a bad row or if there is none.
        """
        row: dict[str, Any] = {
            "dataset_id": check_id("dataset_id", dataset_id),
            "size": 0,
            "characters": 0,
            "labels": [],
            "metadata": check_object("metadata", metadata),
            "created_at": self._clock.now(),
        }
        record = RecordID("datasets", [dataset_id])
        with self._claims.claim(record, row, f"data set {shown(dataset_id)}") as claim:
            labels: Counter[str] = Counter()
            size = characters = 0
            for chunk in _chunks(examples):
                self._insert(claim.uid, size, chunk)
                claim.beat()
                labels.update(label for _, label in chunk)
                size += len(chunk)
                characters += sum(len(text) + len(label) for text, label in chunk)
                if progress is not None:
                    progress(size)
            if not size:
                raise InvalidInput("examples", "there is none; a data set holds at least one")
            claim.publish(
                {
                    "status": "ready",
                    "size": size,
                    "characters": characters,
                    "labels": [[label, count] for label, count in labels.items()],
                }
            )
        return self.get(dataset_id)

    def get(self, dataset_id: str) -> Dataset:
        """A data set without its examples; raises NotFound."""
        return _read_dataset(self._row(dataset_id))

    def list(self) -> Datasets:
        """All data sets, in the order in which they were stored."""
        rows = self._connection.first("SELECT * FROM datasets WHERE status = 'ready' ORDER BY seq")
        return [_read_dataset(row) for row in rows]

    def examples(
        self, dataset_id: str, offset: int = 0, limit: int | None = None
    ) -> Iterator[tuple[str, str]]:
        """The (text, label) pairs from ``offset`` on, at most ``limit``, in stored order.

        Raises NotFound and InvalidInput at the call; StoreError while reading if the data set is
        deleted meanwhile.
        """
        _check_count("offset", offset)
        if limit is not None:
            _check_count("limit", limit)
        row = self._row(dataset_id)
        size: int = row["size"]
        stop = size if limit is None else min(size, offset + limit)
        return self._read(row, offset, stop)

    def delete(self, dataset_id: str) -> None:
        """Remove a data set and its examples; raises NotFound."""
        check_id("dataset_id", dataset_id)
        if not self._claims.retire(RecordID("datasets", [dataset_id]), shown="ready"):
            raise self._missing(dataset_id)

    def _insert(self, uid: str, start: int, chunk: Pairs) -> None:
        rows = [
            {"id": RecordID("examples", [uid, start + place]), "text": text, "label": label}
            for place, (text, label) in enumerate(chunk)
        ]
        self._connection.insert("examples", rows)

    def _read(self, row: dict[str, Any], start: int, stop: int) -> Iterator[tuple[str, str]]:
        mean = max(1, row["characters"] // row["size"])
        page = max(1, min(_PAGE_ROWS, CHUNK_CHARACTERS // mean))
        while start < stop:
            upto = min(stop, start + page)
            pairs = self._connection.first(
                f"SELECT VALUE [text, label] FROM {_RANGE}", uid=row["uid"], start=start, stop=upto
            )
            if len(pairs) != upto - start:
                raise StoreError(
                    f"data set {shown(row['dataset_id'])} was deleted while it was being read"
                )
            yield from map(_as_pair, pairs)
            start = upto

    def _row(self, dataset_id: str) -> dict[str, Any]:
        row: dict[str, Any] | None = self._connection.first(
            "SELECT * FROM ONLY $record WHERE status = 'ready'",
            record=RecordID("datasets", [check_id("dataset_id", dataset_id)]),
        )
        if row is None:
            raise self._missing(dataset_id)
        return row

    def _remove_examples(self, uid: str) -> None:
        """Remove the examples of one uid in steps; they are numbered without gaps from 0."""
        start = 0
        while True:
            bounds = {"uid": uid, "start": start, "stop": start + _SWEEP_ROWS}
            found = self._connection.first(f"SELECT count() FROM {_RANGE} GROUP ALL", **bounds)
            if not found or not found[0]["count"]:
                return
            self._connection.write(f"DELETE {_RANGE} RETURN NONE", **bounds)
            start += _SWEEP_ROWS

    def _missing(self, dataset_id: str) -> NotFound:
        known = [one.dataset_id for one in self.list()]
        return NotFound(
            f"no data set {shown(dataset_id)} is stored.{nearest(dataset_id, known)} "
            f"{len(known)} data sets are stored"
        )


def _chunks(examples: Iterable[tuple[str, str]]) -> Iterator[Pairs]:
    """Checked pairs, in lists that stay small in rows and in characters."""
    chunk: Pairs = []
    characters = 0
    for number, example in enumerate(examples):
        text, label = _check_example(number, example)
        chunk.append((text, label))
        characters += len(text) + len(label)
        if len(chunk) >= CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _check_example(number: int, example: object) -> tuple[str, str]:
    if not isinstance(example, tuple | list) or len(example) != 2:
        raise InvalidInput("examples", f"row {number} is no (text, label) pair: {shown(example)}")
    try:
        return check_text("text", example[0]), check_text("label", example[1])
    except InvalidInput as problem:
        raise InvalidInput("examples", f"row {number}: {problem}; nothing was stored") from None


def _as_pair(row: Sequence[str]) -> tuple[str, str]:
    return row[0], row[1]


def _check_count(argument: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(argument, f"a whole number from 0 on is needed, got {shown(value)}")


def _read_dataset(row: dict[str, Any]) -> Dataset:
    return Dataset(
        dataset_id=row["dataset_id"],
        size=row["size"],
        labels={label: count for label, count in row["labels"]},
        metadata=from_database(row["metadata"]),
        created_at=plain_moment(row["created_at"]),
        record_id=record_name(row["id"]),
    )
