"""Drift that a classifier can see: can the windows be told apart by their features?

A linear discriminant is fitted to one half of the inputs and tried on the other, then the other way
round. What it says about inputs it has not seen differs between the windows by chance alone if
nothing drifted, whatever their distribution; so the p-value is that of a one-sided t-test on
the mean of both ways. The statistic is the area under the ROC curve, as it is between two normal
distributions so far apart.

The covariance is of both halves together, and the discriminant makes it look smaller along its own
direction than it is. A ridge keeps that small, and what is left is put right by a factor, the same
as in generalised cross-validation.

Source: Lopez-Paz & Oquab 2017 (classifier two-sample test); Golub, Heath & Wahba 1979 (factor);
Friedman 1989 (ridge).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

from astermind_lab.core.blas import single_threaded
from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift.finding import Finding
from astermind_lab.monitoring.drift.moments import Moments, comparable
from astermind_lab.monitoring.drift.windows import insufficient

__all__ = ["compare"]

Floats = NDArray[np.float64]

DETECTOR, MEASURE = "separability", "area under the ROC curve of telling the windows apart"
_LEAST = 3  # inputs in each half of each window
_RIDGE = 1e-3  # of the mean variance, at least
_SHARE = 0.25  # effective parameters of the discriminant by degrees of freedom, at most


def compare(baseline: Tally, current: Tally, *, threshold: float = 0.6) -> Finding:
    """Try to tell the inputs of two windows apart.

    >>> from astermind_lab.core.tally import Features, Observation
    >>> def window(*values):
    ...     inputs = [Features("map", np.array(v, np.int8).tobytes()) for v in values]
    ...     return Tally.of(
    ...         Observation(None, "a", 0.9, None, 0, f, fold=i % 2) for i, f in enumerate(inputs)
    ...     )
    >>> square = [(x, y) for x in range(-9, 10, 3) for y in range(-9, 10, 3)]
    >>> found = compare(window(*square), window(*((x + 3, y) for x, y in square)))
    >>> round(found.statistic, 3), round(found.p_value, 4)
    (0.633, 0.0484)
    """
    moments, sizes, note = comparable(baseline, current)
    if moments is not None and moments.n.min() < _LEAST:
        moments, note = None, f"needs at least {_LEAST} inputs in each half of each window"
    if moments is None:
        return insufficient(DETECTOR, MEASURE, threshold, sizes, note)
    distances, freedom = _cross_fit(moments)
    # the distance found on a half counts by the noise there
    t = float((distances / np.sqrt((1 / moments.n).sum(0))).mean())
    return Finding(
        detector=DETECTOR,
        measure=MEASURE,
        status="ok",
        baseline_n=sizes[0],
        current_n=sizes[1],
        threshold=threshold,
        statistic=float(ndtr(distances.mean() / math.sqrt(2))),
        p_value=max(float(stdtr(freedom, -t)), 1e-300),
        note=note,
    )


@single_threaded()
def _cross_fit(moments: Moments) -> tuple[Floats, float]:
    """The difference of the windows on each half, (2,), in standard deviations, along the
    discriminant of the other half; and the degrees of freedom of the latter.
    """
    freedom = float(moments.n.sum() - 4)
    variances, axes = np.linalg.eigh(moments.scatter.sum(0) / freedom)
    variances = np.maximum(variances, 0.0)
    differences = (moments.means[1] - moments.means[0]) @ axes
    ridge = _ridge(variances, _SHARE * freedom)
    discriminants = (differences / (variances + ridge))[::-1]
    parameters = _parameters(variances, ridge)
    spread = np.sqrt((discriminants**2 * variances).sum(1)) / (1 - parameters / freedom)
    along = (discriminants * differences).sum(1)
    found = np.divide(along, spread, out=np.zeros(2), where=spread > 0)
    return found, freedom - parameters


def _ridge(variances: Floats, most: float) -> float:
    """The least ridge with which the discriminant has no more effective parameters than that."""
    low = high = _RIDGE * float(variances.mean())
    while _parameters(variances, high) > most:
        low, high = high, 4 * high
    for _ in range(20 if high > low else 0):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if _parameters(variances, middle) <= most else (middle, high)
    return high


def _parameters(variances: Floats, ridge: float) -> float:
    return float((variances / (variances + ridge)).sum())
