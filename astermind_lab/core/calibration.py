"""Scores to probabilities: a softmax whose temperature makes confidence mean what it says.

Source: Platt 1999; Guo et al. 2017 (temperature scaling).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

__all__ = ["calibration_error", "fit_sharpness", "probabilities"]

Array = NDArray[np.float64]


def probabilities(scores: Array, sharpness: float) -> Array:
    """(…, k) float64 scores → probabilities that sum to 1 along the last axis."""
    scaled: Array = scores * sharpness
    scaled = np.exp(scaled - scaled.max(-1, keepdims=True))
    scaled /= scaled.sum(-1, keepdims=True)
    return scaled


def fit_sharpness(scores: Array, labels: NDArray[np.intp]) -> float:
    """The inverse temperature of least log loss on scores that did not see their own label.

    scores : (n, k) float64, leave-one-out or held-out     labels : (n,) class numbers
    Returns a factor between 0.1 and 1000. Of few rows, a mild prior around 3 keeps it sober.
    """

    def loss(log_sharpness: float) -> float:
        scaled = scores * np.exp(log_sharpness)
        own = scaled[np.arange(len(labels)), labels]
        prior = (log_sharpness - np.log(3)) ** 2
        return float(np.mean(logsumexp(scaled, axis=1) - own) + prior / len(labels))

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(1000)), method="bounded")
    return float(np.exp(found.x))


def calibration_error(confidence: Array, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error: mean gap of confidence and accuracy over equal-width bins.

    confidence : (n,) float64 in [0, 1]     correct : (n,) bool
    Source: Naeini, Cooper & Hauskrecht 2015.
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(place, confidence - correct, bins)
    return float(np.abs(gaps).sum() / len(confidence))
