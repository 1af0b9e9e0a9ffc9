"""λ, calibration and accuracy from leave-one-out scores over rows kept for the purpose.

The sums of a readout hold no rows. To leave one out, some are kept: all up to ``MOST_JUDGED``, a
fair sample of those that ever came beyond. So whatever arrives in one call or in many is judged
by the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core import ElmConfig
from astermind_lab.core.calibration import Calibration
from astermind_lab.core.parts import JUDGED_SHARE, LEAST_JUDGED, every
from astermind_lab.core.readout import RidgeReadout
from astermind_lab.estimate import Estimate

__all__ = ["Judged", "Verdict", "judge", "judges_of"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

MOST_JUDGED = 4000
MOST_KEPT = 2**24
"""Numbers kept in all; of very wide data, fewer rows are kept."""
RIDGE_PATH = 10.0 ** np.arange(-6, 1.1, 0.5)
"""The λ to choose from, as shares of the mean variance of a hidden feature.

It reaches further down than the one for text: a curved border in few dimensions needs it.
"""
_START = 9
MOST_REPEATED = 100_000


@dataclass(frozen=True)
class Judged:
    """A fair sample of the rows that came, in the order of their coming.

    points : (m, d) float64, standardised     labels : (m,) class numbers
    weights : (m,) float64 sample weights     lots : (m,) float64, the lowest stay
    """

    points: Array
    labels: Numbers
    weights: Array
    lots: Array

    @classmethod
    def none(cls, width: int) -> Judged:
        return cls(np.empty((0, width)), np.empty(0, np.intp), np.empty(0), np.empty(0))

    def welcome(self, lots: Array) -> Numbers:
        """Which of some more rows would stay, by their lots; ascending."""
        before = len(self.lots)
        kept = self._lowest(np.concatenate((self.lots, lots)))
        return kept[kept >= before] - before

    def plus(self, points: Array, labels: Numbers, weights: Array, lots: Array) -> Judged:
        """With more rows; where they are too many, those of the highest lots go."""
        lots = np.concatenate((self.lots, lots))
        kept = self._lowest(lots)
        return Judged(
            np.concatenate((self.points, points))[kept],
            np.concatenate((self.labels, labels))[kept],
            np.concatenate((self.weights, weights))[kept],
            lots[kept],
        )

    def _lowest(self, lots: Array) -> Numbers:
        most = min(MOST_JUDGED, max(200, MOST_KEPT // self.points.shape[1]))
        return np.sort(np.argsort(lots)[:most])


class Verdict(NamedTuple):
    """What leave-one-out says: λ, the calibration of probabilities, the accuracy.

    accuracy : None where only one class has been seen
    """

    ridge: float
    calibration: Calibration
    accuracy: Estimate | None


def judge(
    readout: RidgeReadout,
    rows: Array,
    labels: Numbers,
    weights: Array,
    class_weights: Array,
    ridge: float | None,
) -> Verdict:
    """Judge a readout by rows that are part of its sums.

    rows : (m, p) float64     labels : (m,) class numbers     class_weights : (k,) float64
    weights : (m,) float64. λ and calibration take a row of weight w for w rows, one of which is
        left out; the accuracy leaves it out whole, so that no weight makes it look better.
    ridge : λ, None to choose it
    """
    own = class_weights[labels]
    single = np.minimum(weights, 1) * own
    if ridge is None:
        ridge, scores = _choose_ridge(readout, rows, labels, single, weights * own)
    else:
        scores = readout.with_ridge(ridge).leave_one_out(rows, labels, single)
    calibration = _calibration(scores, labels, weights)
    if not (labels != labels[0]).any():
        return Verdict(ridge, calibration, None)
    if (weights > 1).any():
        scores = readout.with_ridge(ridge).leave_one_out(rows, labels, weights * own)
    correct = int((scores.argmax(1) == labels).sum())
    return Verdict(ridge, calibration, Estimate.proportion(correct, len(labels), "leave-one-out"))


def judges_of(config: ElmConfig, numbers: Numbers, rng: np.random.Generator) -> Numbers:
    """The rows to be judged by; constrained units are made from the others.

    Of little data all rows do both, since a part of them would say too little.
    """
    count = int(JUDGED_SHARE * len(numbers))
    if config.hidden == "constrained" and count >= LEAST_JUDGED:
        return every(numbers, count, rng)
    return np.arange(len(numbers))


def _choose_ridge(
    readout: RidgeReadout, rows: Array, labels: Numbers, left_out: Array, weights: Array
) -> tuple[float, Array]:
    """λ of least leave-one-out squared error, walking downhill; and the scores under it."""
    # where nothing varies, spread is rounding; λ must still make the sums solvable
    floor = 1e-6 * float(np.diagonal(readout.scatter)[1:].mean())
    spread = max(readout.spread(), floor)
    found: dict[int, tuple[float, Array]] = {}

    def error(place: int) -> float:
        if place not in found:
            at = readout.with_ridge(float(RIDGE_PATH[place] * spread))
            scores = at.leave_one_out(rows, labels, left_out)
            misses = (scores + 1) ** 2
            own = np.arange(len(labels)), labels
            misses[own] = (scores[own] - 1) ** 2
            found[place] = float(weights @ misses.sum(1)), scores
        return found[place][0]

    best = _START
    for step in (-1, 1):
        while 0 <= best + step < len(RIDGE_PATH) and error(best + step) < error(best):
            best += step
    return float(RIDGE_PATH[best] * spread), found[best][1]


def _calibration(scores: Array, labels: Numbers, weights: Array) -> Calibration:
    """The calibration of rows repeated by their weights, evenly in order where those are not whole.

    Rows that weigh less than 1 in the mean are brought up to it.
    """
    total = weights.sum()
    scale = min(max(total, len(weights)), MOST_REPEATED) / total
    ends = np.floor(np.cumsum(weights) * scale + 0.5).astype(np.intp)
    repeated = np.repeat(np.arange(len(weights)), np.diff(ends, prepend=0))
    return Calibration.fit(scores[repeated], labels[repeated])
