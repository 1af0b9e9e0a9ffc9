"""Tallies as rows of the table ``metrics``: where they stand, and how they are written.

Every prediction counts in one minute, one hour and one day of its model and version. A window is
put together from as few of them as will do; see ``cover``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from surrealdb import BoundExcluded, BoundIncluded, Range, RecordID

from astermind_lab.core.tally import FeatureSums, Observation, Tally
from astermind_lab.errors import StoreError, shown

__all__ = [
    "LENGTHS",
    "MINUTE",
    "Bucket",
    "Piece",
    "cover",
    "read_tally",
    "tallies_of",
    "write_tally",
]

MINUTE = 60_000_000
LENGTHS: Mapping[str, int] = {"m": MINUTE, "h": 60 * MINUTE, "d": 24 * 60 * MINUTE}
"""Microseconds of a minute, an hour and a day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMAT = 1


class Bucket(NamedTuple):
    """A minute, hour or day of one version. start : microseconds since 1970"""

    model_id: str
    level: str
    start: int
    version: str | None

    def record(self, shard: int) -> RecordID:
        """The row that a writer adds to."""
        key = [self.model_id, self.level, self.start, self.version or "", shard]
        return RecordID("metrics", key)


class Piece(NamedTuple):
    """A stretch of time, [low, high) in microseconds. level : of its tallies; "" are the rows."""

    level: str
    low: int
    high: int

    def records(self, model_id: str) -> RecordID:
        """The range of tallies."""
        low, high = [model_id, self.level, self.low], [model_id, self.level, self.high]
        return RecordID("metrics", Range(BoundIncluded(low), BoundExcluded(high)))


def tallies_of(
    rows: Iterable[tuple[str, str | None, Observation]],
) -> dict[Bucket, Tally]:
    """What predictions, given with model and version, add to each minute, hour and day."""
    minutes: dict[tuple[str, str | None, int], list[Observation]] = {}
    for model_id, version, row in rows:
        key = (model_id, version, row.at // MINUTE)
        minutes.setdefault(key, []).append(row)
    found: dict[Bucket, Tally] = {}
    for (model_id, version, minute), observed in minutes.items():
        tally = Tally.of(observed)
        for level, length in LENGTHS.items():
            start = minute * MINUTE // length * length
            bucket = Bucket(model_id, level, start, version)
            if level == "m":
                found[bucket] = tally
            else:
                found.setdefault(bucket, Tally()).add(tally)
    return found


def cover(low: int, high: int) -> list[Piece]:
    """[low, high) in microseconds as days, hours, minutes and, at ragged ends, rows.

    A piece of rows never reaches over the edge of a minute.

    >>> day, hour = LENGTHS["d"], LENGTHS["h"]
    >>> [piece.level for piece in cover(day - hour - 1, 3 * day + 2 * MINUTE)]
    ['', 'h', 'd', 'm']
    """
    return [piece for piece in _cut(low, high, ("d", "h", "m")) if piece.low < piece.high]


def _cut(low: int, high: int, levels: tuple[str, ...]) -> list[Piece]:
    if not levels or low >= high:
        return [Piece("", low, high)]
    length = LENGTHS[levels[0]]
    first, last = -(-low // length) * length, high // length * length
    if first > last:
        return _cut(low, high, levels[1:])
    middle = Piece(levels[0], first, last)
    return [*_cut(low, first, levels[1:]), middle, *_cut(last, high, levels[1:])]


def write_tally(bucket: Bucket, shard: int, rev: int, tally: Tally) -> dict[str, Any]:
    """The row of a tally."""
    return {
        "id": bucket.record(shard),
        "model_id": bucket.model_id,
        "version": bucket.version,
        "level": bucket.level,
        "start": _EPOCH + timedelta(microseconds=bucket.start),
        "rev": rev,
        "n": tally.n,
        "known": tally.known,
        "correct": tally.correct,
        "data": _pack(tally),
        "features": _pack_features(tally),
    }


def _pack(tally: Tally) -> bytes:
    labels: dict[str, int] = {}
    cells: list[int] = []
    for (truth, predicted, level), n in tally.cells.items():
        known = -1 if truth is None else labels.setdefault(truth, len(labels))
        cells += (known, labels.setdefault(predicted, len(labels)), level, n)
    content = {
        "format": _FORMAT,
        "labels": list(labels),
        "cells": cells,
        "confidence": [x for place, n in tally.confidence.items() for x in (place, *n)],
        "confidence_sum": tally.confidence_sum,
        "latency": [x for pair in tally.latency.items() for x in pair],
        "latencies": tally.latencies,
        "latency_sum": tally.latency_sum,
        "first": tally.first,
        "last": tally.last,
        "features": [(name, s.width, *s.n.tolist()) for name, s in tally.features.items()],
    }
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 1)


def _pack_features(tally: Tally) -> bytes | None:
    """Of each map the sums of both folds and the lower triangle of the products."""
    if not tally.features:
        return None
    parts = []
    for sums in tally.features.values():
        lower = np.tril_indices(sums.width)
        parts.append(np.concatenate((sums.sums.ravel(), sums.products[lower])))
    return zlib.compress(np.concatenate(parts).astype("<i8").tobytes(), 1)


def read_tally(row: Mapping[str, Any]) -> Tally:
    """The tally of a row. ``features`` may be left out where they are not needed."""
    content = json.loads(zlib.decompress(row["data"]))
    if content["format"] != _FORMAT:
        raise StoreError(f"the tally {shown(row['id'])} was written by a newer version; upgrade")
    labels = content["labels"]
    tally = Tally(
        confidence_sum=content["confidence_sum"],
        latencies=content["latencies"],
        latency_sum=content["latency_sum"],
        first=content["first"],
        last=content["last"],
    )
    numbers = iter(content["cells"])
    for truth, predicted, level, n in zip(numbers, numbers, numbers, numbers, strict=True):
        tally.cells[labels[truth] if truth >= 0 else None, labels[predicted], level] = n
    numbers = iter(content["confidence"])
    for place, n, known, correct in zip(numbers, numbers, numbers, numbers, strict=True):
        tally.confidence[place] = [n, known, correct]
    numbers = iter(content["latency"])
    tally.latency = dict(zip(numbers, numbers, strict=True))
    packed = row.get("features")
    if packed is not None:
        _read_features(tally, content["features"], packed)
    return tally


def _read_features(tally: Tally, shapes: list[list[Any]], packed: bytes) -> None:
    numbers = np.frombuffer(zlib.decompress(packed), "<i8").astype(np.int64)
    for name, width, *n in shapes:
        lower = np.tril_indices(width)
        sums, triangle, numbers = np.split(numbers, (2 * width, 2 * width + len(lower[0])))
        products = np.zeros((width, width), np.int64)
        products[lower] = triangle
        products += np.tril(products, -1).T
        tally.features[name] = FeatureSums(np.array(n, np.int64), sums.reshape(2, width), products)
