"""Drift of the inputs: is what the model is asked about where it was before?

The maximum mean discrepancy (MMD) with the linear kernel is the distance between the mean drift
features of two windows. The statistic is its unbiased estimate in units of the spread of the
inputs, the root of the trace of their covariance: so it is 1 where the means are as far apart as
an input is from its mean. When labels move by a Jensen-Shannon divergence of 0.1, it comes to
about 0.1 (0.06 to 0.2 on public data sets).

Without drift the squared distance is a sum of independent χ²(1), weighted by the eigenvalues of the
covariance. Its p-value comes from the first three cumulants of that sum less the trace it
is measured by, whose own uncertainty so counts too.

Source: Gretton et al. 2012 (MMD); Box 1954 (sums of χ²); Imhof 1961 (three cumulants); Himeno &
Yamada 2014 (traces without bias).
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

DETECTOR = "inputs"
MEASURE = "distance of the mean features (MMD, linear kernel), in units of their spread"


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
    between = moments.means - means[:, None]
    scatter = moments.scatter + np.einsum("wf,wfi,wfj->ij", moments.n, between, between)
    freedom = float(n.sum() - 2)
    covariance = scatter / freedom
    spread = float(np.trace(covariance))
    noise = float((1 / n).sum())
    squared = float(((means[1] - means[0]) ** 2).sum()) / spread
    return Finding(
        detector=DETECTOR,
        measure=MEASURE,
        status="ok",
        baseline_n=sizes[0],
        current_n=sizes[1],
        threshold=threshold,
        statistic=math.sqrt(max(squared - noise, 0.0)),
        p_value=p_value(squared / noise, covariance, freedom),
        note=note,
    )


def p_value(ratio: float, covariance: NDArray[np.float64], freedom: float) -> float:
    """How often Σ λᵢ χ²(1) is more than ratio times its estimated mean, without drift.

    ratio : squared distance by its mean     covariance : (d, d), estimated with so many degrees of
    freedom, more than two     λ are the eigenvalues of the true covariance
    """
    v = freedom
    scaled = covariance / np.trace(covariance)
    square = scaled @ scaled
    second, third = float(np.trace(square)), float((square * scaled).sum())
    # tr Σ² by (tr Σ)² and tr Σ³ by (tr Σ)³ of the true covariance
    two = (v * second - 1) / (v + 1 - 2 * second)
    three = third - 3 * second / v + 2 / v**2
    three *= v**4 / ((v - 1) * (v - 2) * (v + 2) * (v + 4))
    two = min(max(two, 1 / len(scaled)), 1.0)
    three = min(max(three, two**2), two**1.5)
    # variance and third cumulant of the sum less ratio times its estimated mean
    variance = 2 * two * (1 + ratio**2 / v)
    skew = 8 * three * max(1 - ratio**3 / v**2, 1e-6) / variance**1.5
    degrees = 8 / skew**2
    value = degrees + (ratio - 1) / math.sqrt(variance) * math.sqrt(2 * degrees)
    return min(max(float(chdtrc(degrees, max(value, 0.0))), 1e-300), 1.0)
