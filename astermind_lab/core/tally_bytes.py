"""Tallies as bytes, and the sum of many of them at once.

A window is the sum of dozens of tallies, each with hundreds of cells. As objects they would take
half a millisecond apiece; as arrays they are put one after the other, sorted, and summed.

Layout: zlib of [length of the header, uint32][header, JSON][arrays: keys and counts of the cells,
confidence bins with three counts each, latency bins and counts]. The sums of drift features stand
apart, since most questions do not need them: for each map its 2 d sums and the lower triangle of
its products. Arrays are of int32 where that is enough, else of int64.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.tally import FeatureSums, Tally

__all__ = ["FORMAT", "Cells", "Packed", "UnknownFormat", "add_up", "cells_of", "pack"]

FORMAT = 1
_LEVELS = 8
_MANY = 1 << 24  # more labels than there are
Integers = NDArray[np.int64]


class UnknownFormat(ValueError):
    """Bytes of a later version."""


class Packed(NamedTuple):
    """A tally as bytes. features : None where it has none, or they are not wanted"""

    data: bytes
    features: bytes | None = None


def pack(tally: Tally) -> Packed:
    """The bytes of a tally."""
    labels: dict[str, int] = {}
    for truth, predicted, _ in tally.cells:
        labels.setdefault(predicted, len(labels))
        if truth is not None:
            labels.setdefault(truth, len(labels))
    keys = [
        ((-1 if truth is None else labels[truth]) + 1) * len(labels) * _LEVELS
        + labels[predicted] * _LEVELS
        + level
        for truth, predicted, level in tally.cells
    ]
    arrays = (
        keys,
        list(tally.cells.values()),
        [x for place, counts in tally.confidence.items() for x in (place, *counts)],
        [x for pair in tally.latency.items() for x in pair],
    )
    features, shapes = _pack_features(tally.features)
    header: dict[str, Any] = {
        "format": FORMAT,
        "labels": list(labels),
        "confidence_sum": tally.confidence_sum,
        "latencies": tally.latencies,
        "latency_sum": tally.latency_sum,
        "first": tally.first,
        "last": tally.last,
        "sizes": [len(array) for array in arrays],
        "features": shapes,
    }
    numbers = np.array([x for array in arrays for x in array], np.int64)
    header["kind"] = _kind_of(numbers)
    written = json.dumps(header, separators=(",", ":")).encode()
    data = len(written).to_bytes(4, "little") + written + numbers.astype(header["kind"]).tobytes()
    return Packed(zlib.compress(data, 1), features)


def _pack_features(
    features: Mapping[str, FeatureSums],
) -> tuple[bytes | None, list[tuple[str, int, int, int]]]:
    if not features:
        return None, []
    parts = [
        np.concatenate((sums.sums.ravel(), sums.products[np.tril_indices(sums.width)]))
        for sums in features.values()
    ]
    numbers = np.concatenate(parts)
    kind = _kind_of(numbers)
    shapes = [(name, s.width, int(s.n[0]), int(s.n[1])) for name, s in features.items()]
    return kind[2:].encode() + numbers.astype(kind).tobytes(), shapes


def _kind_of(numbers: Integers) -> str:
    """The shortest type that holds them."""
    return "<i4" if not len(numbers) or np.abs(numbers).max() < 2**31 else "<i8"


def add_up(parts: Iterable[Packed]) -> Tally:
    """What tallies add up to, given as bytes; raises UnknownFormat.

    >>> from astermind_lab.core.tally import Observation
    >>> one, two = (Tally.of([Observation("a", "b", 0.9, 1.0, at)]) for at in (5, 9))
    >>> total = add_up([pack(one), pack(two)])
    >>> total.pairs, total.first, total.last
    ({('a', 'b'): 2}, 5, 9)
    """
    total = Tally()
    labels: dict[str, int] = {}
    cells: list[tuple[Integers, Integers]] = []
    confidence: list[Integers] = []
    latency: list[Integers] = []
    for part in parts:
        header, numbers = _opened(part.data)
        ends = list(itertools.accumulate(header["sizes"]))
        keys, counts = numbers[: ends[0]], numbers[ends[0] : ends[1]]
        bins, delays = numbers[ends[1] : ends[2]], numbers[ends[2] :]
        cells.append((_renumbered(keys, header["labels"], labels), counts))
        confidence.append(bins.reshape(-1, 4))
        latency.append(delays.reshape(-1, 2))
        for name in ("confidence_sum", "latencies", "latency_sum"):
            setattr(total, name, getattr(total, name) + header[name])
        total.first = min(total.first, header["first"])
        total.last = max(total.last, header["last"])
        if part.features is not None:
            _add_features(total, header["features"], part.features)
    if cells:
        names: Sequence[str | None] = [None, *labels]
        for key, n in _summed(*map(np.concatenate, zip(*cells, strict=True))):
            truth, rest = divmod(key, _MANY * _LEVELS)
            predicted, level = divmod(rest, _LEVELS)
            total.cells[names[truth], str(names[predicted + 1]), level] = n
        bins = np.concatenate(confidence)
        total.confidence = {place: list(n) for place, n in _summed(bins[:, 0], bins[:, 1:])}
        delays = np.concatenate(latency)
        total.latency = dict(_summed(delays[:, 0], delays[:, 1]))
    total.features = {name: sums for name, sums in total.features.items() if sums}
    return total


def _opened(data: bytes) -> tuple[dict[str, Any], Integers]:
    """The header, and the arrays in one."""
    raw = zlib.decompress(data)
    length = int.from_bytes(raw[:4], "little")
    header = json.loads(raw[4 : 4 + length])
    if header["format"] != FORMAT:
        raise UnknownFormat(f"format {header['format']!r}, not {FORMAT}")
    return header, np.frombuffer(raw, header["kind"], offset=4 + length).astype(np.int64)


class Cells(NamedTuple):
    """The cells of a tally as arrays, (m,) each; there may be several of one truth and answer.

    truth, predicted : places in ``labels``; -1 is a truth that is not known
    n : predictions; negative where others were taken away that are counted elsewhere
    """

    labels: Sequence[str]
    truth: Integers
    predicted: Integers
    n: Integers


def cells_of(data: bytes) -> Cells:
    """The cells alone, without the work of putting a tally together; raises UnknownFormat.

    >>> from astermind_lab.core.tally import Observation
    >>> found = cells_of(pack(Tally.of([Observation(None, "b", 0.9, 1.0, 5)])).data)
    >>> found.labels, found.truth.tolist(), found.predicted.tolist(), found.n.tolist()
    (['b'], [-1], [0], [1])
    """
    header, numbers = _opened(data)
    keys, counts, *_ = np.split(numbers, list(itertools.accumulate(header["sizes"])))
    labels = header["labels"]
    truth, rest = np.divmod(keys, max(1, len(labels)) * _LEVELS)
    return Cells(labels, truth - 1, rest // _LEVELS, counts)


def _renumbered(keys: Integers, own: Sequence[str], labels: dict[str, int]) -> Integers:
    """The keys of cells with the labels numbered as in ``labels``, which gets those it lacks."""
    numbers = np.array([0, *(labels.setdefault(x, len(labels)) + 1 for x in own)], np.int64)
    truth, rest = np.divmod(keys, max(1, len(own)) * _LEVELS)
    predicted, level = np.divmod(rest, _LEVELS)
    renumbered: Integers = numbers[truth] * _MANY * _LEVELS
    if len(keys):
        renumbered += (numbers[predicted + 1] - 1) * _LEVELS + level
    return renumbered


def _summed(keys: Integers, values: Integers) -> Iterable[tuple[int, Any]]:
    """Each key once, with the sum of its values; those whose sum is nothing are left out."""
    if not len(keys):
        return []
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    sums = np.add.reduceat(values, starts, axis=0)
    left = sums.reshape(len(sums), -1).any(axis=1)
    return zip(keys[starts][left].tolist(), sums[left].tolist(), strict=True)


def _add_features(total: Tally, shapes: Sequence[Sequence[Any]], packed: bytes) -> None:
    numbers = np.frombuffer(packed, f"<i{packed[:1].decode()}", offset=1).astype(np.int64)
    for name, width, *n in shapes:
        lower = np.tril_indices(width)
        sums, triangle, numbers = np.split(numbers, (2 * width, 2 * width + len(lower[0])))
        products = np.zeros((width, width), np.int64)
        products[lower] = triangle
        products += np.tril(products, -1).T
        mine = total.features.setdefault(name, FeatureSums.empty(width))
        mine.add(FeatureSums(np.array(n, np.int64), sums.reshape(2, width), products))
