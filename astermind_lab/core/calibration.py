"""Scores to probabilities, so that confidence means what it says.

The score of each class against the rest goes through a logistic link shared by all classes; a
temperature then sets how sharply the classes compete: ``p_k ∝ σ(slope (s_k - offset)) ** power``.
The best class stays the best.

Source: Platt 1999 (logistic link); Zadrozny & Elkan 2002 (many classes); Guo et al. 2017
(temperature).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

__all__ = ["Calibration", "calibration_error"]

Array = NDArray[np.float64]

_MOST_CELLS = 80_000  # of the scores that the fit looks at; more do not move three numbers


@dataclass(frozen=True)
class Calibration:
    """slope > 0, offset, and power > 0 (the inverse temperature)."""

    slope: float = 3.0
    offset: float = 0.0
    power: float = 1.0

    def __call__(self, scores: Array) -> Array:
        """(…, k) float64 scores → probabilities that sum to 1 along the last axis."""
        chances: Array = self.power * log_expit(self.slope * (scores - self.offset))
        chances = np.exp(chances - chances.max(-1, keepdims=True))
        chances /= chances.sum(-1, keepdims=True)
        return chances

    @classmethod
    def fit(cls, scores: Array, labels: NDArray[np.intp]) -> Calibration:
        """The calibration of least log loss.

        scores : (n, k) float64, leave-one-out or held-out     labels : (n,) class numbers
        A prior of the weight of one row around the defaults keeps it sober where n is small.
        """
        rows = max(1, _MOST_CELLS // scores.shape[1])
        step = -(-len(scores) // rows)
        scores, labels = scores[::step], labels[::step]
        found = minimize(_loss, np.zeros(3), args=(scores, labels), jac=True, method="L-BFGS-B")
        return cls(*_values(found.x))


def _values(theta: Array) -> tuple[float, float, float]:
    bounded = np.clip(theta, -6, 6)
    return float(3 * np.exp(bounded[0])), float(bounded[1]), float(np.exp(bounded[2]))


def _loss(theta: Array, scores: Array, labels: NDArray[np.intp]) -> tuple[float, Array]:
    """Mean log loss with its prior, and the gradient."""
    slope, offset, power = _values(theta)
    own = np.arange(len(labels)), labels
    link = slope * (scores - offset)
    logs = log_expit(link)
    chances = power * logs
    top = chances.max(1, keepdims=True)
    pull = np.exp(chances - top)
    total = pull.sum(1, keepdims=True)
    loss = float(np.mean(top[:, 0] + np.log(total[:, 0]) - chances[own]))
    pull /= total
    pull[own] -= 1
    pull /= len(labels)
    inner = pull * power * expit(-link)
    gradient = np.array([(inner * link).sum(), -slope * inner.sum(), (pull * logs).sum() * power])
    prior = theta @ theta / len(labels)
    return loss + float(prior), gradient + 2 * theta / len(labels)


def calibration_error(confidence: Array, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error: mean gap of confidence and accuracy over equal-width bins.

    confidence : (n,) float64 in [0, 1]     correct : (n,) bool
    Source: Naeini, Cooper & Hauskrecht 2015.
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(place, confidence - correct, bins)
    return float(np.abs(gaps).sum() / len(confidence))
