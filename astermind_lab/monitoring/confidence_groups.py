"""The accuracy of a window from its confidences, as they were right in a baseline."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.tally import Tally

__all__ = ["Expected", "accuracy_by_confidence"]

_GROUPS = 20
_ROWS_PER_GROUP = 10


class Expected(NamedTuple):
    """The accuracy that a window is expected to have.

    value : in (0, 1)     variance : of it, from all but the chance of the window's own rows
    chance : the variance that one row has by being right or wrong
    """

    value: float
    variance: float
    chance: float


def accuracy_by_confidence(baseline: Tally, current: Tally) -> Expected:
    """The accuracy of groups of like confidence in the baseline, weighted as they occur now.

    The groups are at most twenty, and hold at least ten known truths each. A group leans by one
    row on the mean. The baseline needs a known truth, the window a prediction.

    >>> from astermind_lab.core.tally import Observation
    >>> said = [("a", 0.9)] * 18 + [("b", 0.9)] * 2 + [("a", 0.6)] * 10 + [("b", 0.6)] * 10
    >>> baseline = Tally.of([Observation("a", label, c, None, 0) for label, c in said])
    >>> current = Tally.of([Observation(None, "a", 0.9, None, 0)] * 50)
    >>> round(accuracy_by_confidence(baseline, current).value, 2)
    0.89

    Source: post-stratification, e.g. Cochran 1977, chapter 5A.
    """
    bins = sorted(
        (place, n, right) for place, (_, n, right) in baseline.confidence.items() if n > 0
    )
    places = np.array([place for place, _, _ in bins])
    known = np.array([n for _, n, _ in bins], float)
    right = np.array([n for _, _, n in bins], float)
    starts = _starts(known)
    rows, hits = np.add.reduceat(known, starts), np.add.reduceat(right, starts)
    weights = np.zeros(len(starts))
    for place, (n, _, _) in current.confidence.items():
        weights[np.searchsorted(places[starts[1:]], place, side="right")] += n
    weights /= weights.sum()
    mean = (hits.sum() + 1) / (rows.sum() + 2)
    value = float(weights @ ((hits + mean) / (rows + 1)))
    # Half a row each way keeps a group without a mistake from looking certain.
    rates = (hits + 0.5) / (rows + 1)
    chances = rates * (1 - rates)
    return Expected(
        value,
        variance=float(weights**2 @ (chances / rows)),
        chance=max(value * (1 - value), float(weights @ chances)),
    )


def _starts(known: NDArray[np.int64]) -> list[int]:
    """Where each group begins, among bins in order that hold so many truths."""
    size = max(_ROWS_PER_GROUP, known.sum() / _GROUPS)
    after = known.sum() - np.cumsum(known)
    starts, held = [0], 0.0
    for i in range(1, len(known)):
        held += known[i - 1]
        if held >= size and after[i - 1] >= size:
            starts.append(i)
            held = 0.0
    return starts
