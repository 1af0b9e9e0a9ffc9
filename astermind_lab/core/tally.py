"""What any number of predictions add up to, kept so that sums are exact.

A tally holds whole numbers only: counts, and sums of values in fixed point. So tallies can be added
and subtracted in any order, and a window of a million predictions answers from a few of them what
its rows would have answered. What is lost is known: a latency is kept to 0.4 %, a confidence to its
bin (and exactly in the mean).

Bins are cut by the bits of the floating-point number, not by a logarithm, so that every machine
puts a value into the same one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LEVELS",
    "FeatureSums",
    "Features",
    "Observation",
    "Tally",
    "bin_of_confidence",
    "bin_of_latency",
    "confidence_of_bin",
    "latency_of_bin",
    "level_of",
]

Integers = NDArray[np.int64]

UNIT = 2**40
"""Confidences and milliseconds are added up in units of 1 / UNIT."""

LEVELS = (0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99)
"""Confidences at which the next of the eight levels of the cells begins."""

_LATENCY_STEPS = 128  # bins per doubling
_CONFIDENCE_STEPS = 32
_LOWEST = 2.0**-20  # no confidence is told apart from 0 or 1 more finely
_MIDDLE = 1024  # the bin that begins at a confidence of one half
_LOST = 2**62  # what stands for no bound


def level_of(confidence: float) -> int:
    """The level of a confidence, 0 to 7.

    >>> level_of(0.2), level_of(0.5), level_of(1.0)
    (0, 2, 7)
    """
    return sum(confidence >= edge for edge in LEVELS)


def bin_of_confidence(confidence: float) -> int:
    """The bin of a confidence: 32 for each halving of the distance to 0 or to 1, in order.

    >>> [bin_of_confidence(c) for c in (0.0, 0.25, 0.5, 0.75, 0.999, 1.0)]
    [383, 992, 1024, 1055, 1311, 1664]
    """
    if confidence >= 0.5:
        return _MIDDLE + _CONFIDENCE_STEPS - 1 - _place(1.0 - confidence)
    return _MIDDLE - _CONFIDENCE_STEPS + _place(confidence)


def confidence_of_bin(number: int) -> float:
    """The middle of a bin.

    >>> abs(confidence_of_bin(bin_of_confidence(0.97)) - 0.97) < 0.001
    True
    """
    if number >= _MIDDLE:
        return 1.0 - _share_of(_MIDDLE + _CONFIDENCE_STEPS - 1 - number)
    return _share_of(number - _MIDDLE + _CONFIDENCE_STEPS)


def _share_of(place: int) -> float:
    exponent, inside = divmod(place, _CONFIDENCE_STEPS)
    if exponent < -19:
        return 0.0
    return math.ldexp(0.5 + (inside + 0.5) / (2 * _CONFIDENCE_STEPS), exponent - 1)


def _place(share: float) -> int:
    """The bin of a share of at most one half: 0 to 31 from a quarter on, negative below."""
    if share < _LOWEST:
        return -20 * _CONFIDENCE_STEPS - 1 + _CONFIDENCE_STEPS
    fraction, exponent = math.frexp(share)
    if exponent > -1:  # one half itself
        return _CONFIDENCE_STEPS - 1
    inside = int((2 * fraction - 1) * _CONFIDENCE_STEPS)
    return (exponent + 1) * _CONFIDENCE_STEPS + inside


def bin_of_latency(milliseconds: float) -> int:
    """The bin of a latency: 128 for each doubling, so that its middle is within 0.4 % of it."""
    fraction, exponent = math.frexp(max(milliseconds, 1e-9))
    return exponent * _LATENCY_STEPS + int((2 * fraction - 1) * _LATENCY_STEPS)


@cache
def latency_of_bin(number: int) -> float:
    """The middle of a bin, in milliseconds.

    >>> abs(latency_of_bin(bin_of_latency(12.5)) / 12.5 - 1) < 0.004
    True
    """
    exponent, inside = divmod(number, _LATENCY_STEPS)
    low = math.ldexp(0.5 + inside / (2 * _LATENCY_STEPS), exponent)
    return 0.0 if low < 1e-8 else low + math.ldexp(0.25 / _LATENCY_STEPS, exponent)


class Features(NamedTuple):
    """The drift features of one input: which map made them, and d whole numbers as int8 bytes."""

    made_by: str
    values: bytes


class Observation(NamedTuple):
    """One prediction, as far as it counts.

    truth : None where it is not known     at : microseconds since 1970
    fold : 0 or 1, by chance and for good: the half of the data it belongs to
    """

    truth: str | None
    predicted: str
    confidence: float
    latency_ms: float | None
    at: int
    features: Features | None = None
    fold: int = 0


@dataclass
class FeatureSums:
    """Sums over the drift features of n inputs, in two folds.

    n : (2,)     sums : (2, d)     products : (d, d), of both folds     all int64
    """

    n: Integers
    sums: Integers
    products: Integers

    @classmethod
    def empty(cls, width: int) -> FeatureSums:
        return cls(
            np.zeros(2, np.int64),
            np.zeros((2, width), np.int64),
            np.zeros((width, width), np.int64),
        )

    @classmethod
    def of(cls, values: NDArray[np.int8], folds: NDArray[np.intp]) -> FeatureSums:
        """values : (n, d) int8     folds : (n,) 0 or 1"""
        wide = values.astype(np.float64)  # exact: whole numbers far below 2**53
        second = folds.astype(np.float64)
        later = second @ wide
        both = wide.sum(0)
        n = int(folds.sum())
        return cls(
            np.array([len(values) - n, n], np.int64),
            np.stack((both - later, later)).astype(np.int64),
            (wide.T @ wide).astype(np.int64),
        )

    @property
    def width(self) -> int:
        return int(self.sums.shape[1])

    def add(self, other: FeatureSums, sign: int = 1) -> None:
        """Add the sums of other inputs, or with sign -1 take them away."""
        self.n += sign * other.n
        self.sums += sign * other.sums
        self.products += sign * other.products

    def copy(self) -> FeatureSums:
        return FeatureSums(self.n.copy(), self.sums.copy(), self.products.copy())

    def __bool__(self) -> bool:
        return bool(self.n.any() or self.sums.any() or self.products.any())


@dataclass
class Tally:
    """Counts and sums over predictions.

    cells : (truth or None, predicted, level of confidence) → predictions
    confidence : bin → [predictions, with a known truth, right]
    latency : bin → predictions     latencies : how many have one
    confidence_sum, latency_sum : in units of 1 / UNIT, the latter of milliseconds
    features : by the map that made them
    first, last : bounds of the times, microseconds since 1970; not always the tightest
    """

    cells: dict[tuple[str | None, str, int], int] = field(default_factory=dict)
    confidence: dict[int, list[int]] = field(default_factory=dict)
    confidence_sum: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    latencies: int = 0
    latency_sum: int = 0
    features: dict[str, FeatureSums] = field(default_factory=dict)
    first: int = _LOST
    last: int = -_LOST

    @classmethod
    def of(cls, rows: Iterable[Observation]) -> Tally:
        """The tally of some predictions.

        >>> right, open_ = Observation("a", "a", 0.9, 2.0, 0), Observation(None, "b", 0.5, None, 1)
        >>> tally = Tally.of([right, open_])
        >>> tally.n, tally.known, tally.correct, tally.predicted
        (2, 1, 1, {'a': 1, 'b': 1})
        """
        tally = cls()
        vectors: dict[str, list[tuple[bytes, int]]] = {}
        for row in rows:
            tally._count(row)
            if row.features is not None:
                made = vectors.setdefault(row.features.made_by, [])
                made.append((row.features.values, row.fold))
        for made_by, found in vectors.items():
            values = np.frombuffer(b"".join(v for v, _ in found), np.int8).reshape(len(found), -1)
            tally.features[made_by] = FeatureSums.of(
                values, np.fromiter((fold for _, fold in found), np.intp, len(found))
            )
        return tally

    def _count(self, row: Observation) -> None:
        truth, predicted, confidence = row.truth, row.predicted, row.confidence
        cell = (truth, predicted, level_of(confidence))
        self.cells[cell] = self.cells.get(cell, 0) + 1
        counts = self.confidence.setdefault(bin_of_confidence(confidence), [0, 0, 0])
        counts[0] += 1
        if truth is not None:
            counts[1] += 1
            counts[2] += truth == predicted
        self.confidence_sum += round(confidence * UNIT)
        if row.latency_ms is not None:
            place = bin_of_latency(row.latency_ms)
            self.latency[place] = self.latency.get(place, 0) + 1
            self.latencies += 1
            self.latency_sum += round(row.latency_ms * UNIT)
        if row.at < self.first:
            self.first = row.at
        if row.at > self.last:
            self.last = row.at

    @property
    def n(self) -> int:
        """Predictions."""
        return sum(self.cells.values())

    @property
    def known(self) -> int:
        """Predictions whose truth is known."""
        return sum(n for (truth, _, _), n in self.cells.items() if truth is not None)

    @property
    def correct(self) -> int:
        """Predictions that were right."""
        return sum(n for (truth, predicted, _), n in self.cells.items() if truth == predicted)

    @property
    def predicted(self) -> dict[str, int]:
        """Predictions by label, in the order of the labels."""
        counts: dict[str, int] = {}
        for (_, predicted, _), n in self.cells.items():
            counts[predicted] = counts.get(predicted, 0) + n
        return {label: n for label, n in sorted(counts.items()) if n}

    @property
    def pairs(self) -> dict[tuple[str | None, str], int]:
        """Predictions by truth (None where it is not known) and answer."""
        counts: dict[tuple[str | None, str], int] = {}
        for (truth, predicted, _), n in self.cells.items():
            counts[truth, predicted] = counts.get((truth, predicted), 0) + n
        return {pair: n for pair, n in counts.items() if n}

    @property
    def mean_confidence(self) -> float | None:
        """None where there is no prediction."""
        n = self.n
        return self.confidence_sum / (UNIT * n) if n else None

    @property
    def mean_latency_ms(self) -> float | None:
        """None where there is no latency."""
        return self.latency_sum / (UNIT * self.latencies) if self.latencies else None

    def latency_quantile(self, level: float) -> tuple[float, float, float]:
        """A quantile of the latencies with its 95 % interval, in milliseconds, each within 0.4 %.

        The quantile is NumPy's, with linear interpolation; the interval is that of the ranks
        between which it lies 95 times in 100. Raises ValueError where there is no latency.
        """
        if not self.latencies:
            raise ValueError("no latency to take a quantile of")
        places = np.array(sorted(self.latency))
        until = np.cumsum([self.latency[place] for place in places.tolist()])
        middles = [latency_of_bin(place) for place in places.tolist()]
        last = self.latencies - 1

        def at(rank: float) -> float:
            inside = min(max(rank, 0.0), float(last))
            below = math.floor(inside)
            low, high = (
                middles[int(np.searchsorted(until, r, side="right"))]
                for r in (below, min(below + 1, last))
            )
            return low + (high - low) * (inside - below)

        rank = level * last
        reach = 1.96 * math.sqrt(level * (1 - level) * self.latencies) + 0.5
        return at(rank), at(math.floor(rank - reach)), at(math.ceil(rank + reach))

    def add(self, other: Tally, sign: int = 1) -> None:
        """Add what other predictions add up to, or with sign -1 take it away."""
        _add(self.cells, other.cells, sign)
        _add(self.latency, other.latency, sign)
        for place, (n, known, correct) in other.confidence.items():
            counts = self.confidence.setdefault(place, [0, 0, 0])
            counts[0] += sign * n
            counts[1] += sign * known
            counts[2] += sign * correct
            if not any(counts):
                del self.confidence[place]
        self.confidence_sum += sign * other.confidence_sum
        self.latencies += sign * other.latencies
        self.latency_sum += sign * other.latency_sum
        for made_by, sums in other.features.items():
            mine = self.features.setdefault(made_by, FeatureSums.empty(sums.width))
            mine.add(sums, sign)
            if not mine:
                del self.features[made_by]
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)

    def copy(self) -> Tally:
        """A tally of its own, equal to this."""
        return replace(
            self,
            cells=dict(self.cells),
            confidence={place: list(counts) for place, counts in self.confidence.items()},
            latency=dict(self.latency),
            features={name: sums.copy() for name, sums in self.features.items()},
        )

    def __bool__(self) -> bool:
        """Whether anything is left; the bounds do not count."""
        return bool(
            self.cells
            or self.confidence
            or self.latency
            or self.features
            or self.confidence_sum
            or self.latency_sum
        )


def _add(into: dict, other: Mapping, sign: int) -> None:  # type: ignore[type-arg]
    for key, n in other.items():
        left = into.get(key, 0) + sign * n
        if left:
            into[key] = left
        else:
            into.pop(key, None)
