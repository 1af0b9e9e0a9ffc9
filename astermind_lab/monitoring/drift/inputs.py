"""Drift of the inputs: is what the model is asked about where it was before?

The maximum mean discrepancy (MMD) with the linear kernel is the distance between the mean drift
features of two windows. The statistic is its unbiased estimate in units of the spread of the
inputs, the root of the trace of their covariance: so it is 1 where the means are as far apart as
an input is from its mean. When labels move by a Jensen-Shannon divergence of 0.1, it comes to
about 0.1 (0.06 to 0.2 on public data sets).

Without drift the squared distance is a sum of independent χ²(1), weighted by the eigenvalues of the
covariance. Its p-value comes from the first three cumulants of that sum, less the mean it is
measured by, whose own uncertainty so counts too. The variance comes from the product of both
covariances, which is not misled by heavy tails. The mean may be that of the covariance of all, as
where windows are shuffled, or of each window by itself: then an odd input in a small window
stretches distance and mean alike, but a drift that narrows the larger one is found later. A
mixture of both keeps false alarms rare and finds what shuffling finds.

Source: Gretton et al. 2012 (MMD); Box 1954 (sums of χ²); Imhof 1961 (three cumulants); Chen & Qin
2010 (traces from two windows); Srivastava 2005 (traces without bias).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift.finding import Finding
from astermind_lab.monitoring.drift.moments import comparable
from astermind_lab.monitoring.drift.windows import insufficient

__all__ = ["compare", "p_value"]

Floats = NDArray[np.float64]

DETECTOR = "inputs"
MEASURE = "distance of the mean features (MMD, linear kernel), in units of their spread"
_OWN = 0.3  # how far the mean is that of each window by itself


def compare(baseline: Tally, current: Tally, *, threshold: float = 0.1) -> Finding:
    """Compare the drift features of two windows.

    >>> from astermind_lab.core.tally import Features, Observation
    >>> def window(*values):
    ...     inputs = [Features("map", np.array(v, np.int8).tobytes()) for v in values]
    ...     return Tally.of(Observation(None, "a", 0.9, None, 0, f) for f in inputs)
    >>> square = [(x, y) for x in range(-9, 10, 3) for y in range(-9, 10, 3)]
    >>> found = compare(window(*square), window(*((x + 3, y) for x, y in square)))
    >>> round(found.statistic, 3), round(found.p_value, 4)
    (0.286, 0.0535)
    """
    moments, sizes, note = comparable(baseline, current)
    if moments is None:
        return insufficient(DETECTOR, MEASURE, threshold, sizes, note)
    n = moments.n.sum(1)
    means = (moments.means * moments.n[..., None]).sum(1) / n[:, None]
    apart = moments.means - means[:, None]
    scatter = moments.scatter + np.einsum("wf,wfi,wfj->wij", moments.n, apart, apart)
    covariances = scatter / (n - 1)[:, None, None]
    traces = np.trace(covariances, axis1=1, axis2=2)
    spread = float((traces * (n - 1)).sum() / (n - 1).sum())
    noise = float((traces / n).sum())
    squared = float(((means[1] - means[0]) ** 2).sum())
    ratio = squared / float(traces @ _weights(n))
    return Finding(
        detector=DETECTOR,
        measure=MEASURE,
        status="ok",
        baseline_n=sizes[0],
        current_n=sizes[1],
        threshold=threshold,
        statistic=math.sqrt(max(squared - noise, 0.0) / spread),
        p_value=p_value(ratio, covariances, n),
        note=note,
    )


def p_value(ratio: float, covariances: Floats, n: Floats) -> float:
    """How often Σ λᵢ χ²(1) is more than ratio times its estimated mean, without drift.

    ratio : squared distance by its estimated mean     covariances : (2, d, d), of the windows
    n : (2,), inputs, more than three each     λ are the eigenvalues of the true covariance
    """
    traces = np.trace(covariances, axis1=1, axis2=2)
    width = covariances.shape[1]
    # tr Σ² and tr Σ³, by the second and the third power of tr Σ
    two = float((covariances[0] * covariances[1]).sum() / traces.prod())
    two = min(max(two, 1 / width), 1.0)
    three = min(max(_third(covariances, n, two), two**2), two**1.5)
    weights = _weights(n)
    freedom = float(weights.sum() ** 2 / (weights**2 / (n - 1)).sum())
    # variance and skewness of the sum less ratio times its estimated mean
    variance = 2 * two * (1 + ratio**2 / freedom)
    skewness = 8 * three * max(1 - ratio**3 / freedom**2, 1e-6) / variance**1.5
    degrees = 8 / skewness**2
    value = degrees + (ratio - 1) / math.sqrt(variance) * math.sqrt(2 * degrees)
    return min(max(float(chdtrc(degrees, max(value, 0.0))), 1e-300), 1.0)


def _weights(n: Floats) -> Floats:
    """How much the trace of each window counts in the mean of the squared distance."""
    pooled = (1 / n).sum() * (n - 1) / (n - 1).sum()
    return np.asarray(_OWN / n + (1 - _OWN) * pooled, np.float64)


def _third(covariances: Floats, n: Floats, two: float) -> float:
    """tr Σ³ by (tr Σ)³, of the pooled covariance, if tr Σ² is what two says it is."""
    v = float(n.sum() - 2)
    pooled = (covariances * (n - 1)[:, None, None]).sum(0)
    pooled = pooled / np.trace(pooled)
    square = pooled @ pooled
    second, third = float(np.trace(square)), float((square * pooled).sum())
    three = third - 3 * second / v + 2 / v**2
    three *= v**4 / ((v - 1) * (v - 2) * (v + 2) * (v + 4))
    naive = max((v * second - 1) / (v + 1 - 2 * second), 1e-9)
    return three * float((two / naive) ** 1.5)
