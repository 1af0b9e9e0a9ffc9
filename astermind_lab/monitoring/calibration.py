"""How far confidences can be believed: the reliability curve and the expected calibration error.

Confidences are put into sixteen bins of equal width, whose edges are edges of the finer bins that a
tally keeps, so that every count is exact. Beginning with the surest, bins are joined with the next
until each holds ten predictions with a known truth; what is left over joins the last. The mean
confidence of a bin comes from the middles of the finer bins, and is within 0.004 of the truth.

Source: Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from astermind_lab.core.tally import Tally, confidence_of_bin
from astermind_lab.estimate import Estimate

__all__ = ["LEAST", "WIDTHS", "Bin", "Reliability", "reliability"]

WIDTHS = 16
"""Bins of equal width between 0 and 1, before those with few truths are joined."""
LEAST = 10
"""Predictions with a known truth that each bin holds, if there are so many at all."""


@dataclass(frozen=True)
class Bin:
    """Predictions with a known truth whose confidence is between low and high.

    mean_confidence, accuracy : of these     n : how many they are
    """

    low: float
    high: float
    n: int
    mean_confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Reliability:
    """The curve, from the least confident bin on, and what it comes to.

    error : the expected calibration error: by how much confidence and accuracy of a bin differ, on
        average over the predictions     n : with a known truth
    accuracy, mean_confidence : over all of them
    """

    bins: list[Bin]
    n: int
    error: float | None = None
    accuracy: Estimate | None = None
    mean_confidence: float | None = None


@dataclass
class _Sum:
    """Counts over neighbouring bins."""

    first: int
    last: int
    n: int = 0
    right: int = 0
    confidence: float = 0.0

    def join(self, other: _Sum) -> _Sum:
        return _Sum(
            min(self.first, other.first),
            max(self.last, other.last),
            self.n + other.n,
            self.right + other.right,
            self.confidence + other.confidence,
        )

    def bin(self) -> Bin:
        return Bin(
            low=self.first / WIDTHS,
            high=(self.last + 1) / WIDTHS,
            n=self.n,
            mean_confidence=self.confidence / self.n,
            accuracy=Estimate.proportion(self.right, self.n, "feedback"),
        )


def reliability(tally: Tally) -> Reliability:
    """The reliability of a tally's confidences, as far as truths are known.

    >>> from astermind_lab.core.tally import Observation
    >>> rows = [Observation("a", "ab"[i % 4 == 0], 0.95, None, i) for i in range(40)]
    >>> found = reliability(Tally.of(rows))
    >>> found.bins[0].accuracy, round(found.error, 2)
    (0.750 (0.598–0.858, n=40, feedback), 0.2)
    """
    sums = _joined(_by_width(tally.confidence).values())
    if not sums:
        return Reliability([], 0)
    bins = [one.bin() for one in sums]
    n = sum(one.n for one in bins)
    return Reliability(
        bins=bins,
        n=n,
        error=sum(b.n * abs(b.mean_confidence - b.accuracy.value) for b in bins) / n,
        accuracy=Estimate.proportion(sum(one.right for one in sums), n, "feedback"),
        mean_confidence=sum(one.confidence for one in sums) / n,
    )


def _by_width(counts: Mapping[int, list[int]]) -> dict[int, _Sum]:
    """The bins of equal width that hold known truths, the surest first."""
    found: dict[int, _Sum] = {}
    for place, (_, known, right) in sorted(counts.items(), reverse=True):
        middle = confidence_of_bin(place)
        width = min(int(middle * WIDTHS), WIDTHS - 1)
        one = found.setdefault(width, _Sum(width, width))
        found[width] = one.join(_Sum(width, width, known, right, known * middle))
    return {width: one for width, one in found.items() if one.n > 0}


def _joined(sums: Iterable[_Sum]) -> list[_Sum]:
    """Neighbours joined until each has enough, the least sure first."""
    found: list[_Sum] = []
    for one in sums:
        if found and found[-1].n < LEAST:
            one = found.pop().join(one)
        found.append(one)
    if len(found) > 1 and found[-1].n < LEAST:
        found[-2:] = [found[-2].join(found[-1])]
    return found[::-1]
