"""Which inputs moved most: those that speak for the current window against the baseline.

A linear discriminant of the drift features says of an input how many times more probable it is in
the current window than in the baseline, if both are normal with one covariance. That covariance is
the pooled one, shrunk a little towards a multiple of the identity, as if as many further inputs had
been seen as there are features, and they had varied alike in all directions. Where there are no
features to compare, the labels whose share rose most have to do.

Source: Fisher 1936; Friedman 1989; Ledoit & Wolf 2004 (shrinkage).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import single_threaded
from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift.moments import comparable, most_shared
from astermind_lab.monitoring.drift.windows import too_little

__all__ = ["Discriminant", "discriminant", "risen_labels"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Discriminant:
    """What tells two windows apart. made_by : the map of the features     weights : (d,)

    middle : what an input scores that is as probable in the one as in the other
    """

    made_by: str
    weights: Floats
    middle: float

    def scores(self, values: NDArray[np.int8]) -> Floats:
        """(n, d) features → (n,): logarithms of how many times more probable they are now."""
        return np.asarray(values @ self.weights - self.middle, np.float64)


@single_threaded()
def discriminant(baseline: Tally, current: Tally) -> tuple[Discriminant | None, str]:
    """The discriminant of two windows, and a note; without one the note says why.

    >>> from astermind_lab.core.tally import Features, Observation
    >>> def window(*values):
    ...     inputs = [Features("map", np.array(v, np.int8).tobytes()) for v in values]
    ...     return Tally.of(Observation(None, "a", 0.9, None, 0, f) for f in inputs)
    >>> square = [(x, y) for x in range(-9, 10, 3) for y in range(-9, 10, 3)]
    >>> found, _ = discriminant(window(*square), window(*((x + 3, y) for x, y in square)))
    >>> found.scores(np.array([[0, 0], [9, 0], [9, 9]], np.int8)).round(2).tolist()
    [-0.12, 0.61, 0.61]
    """
    moments, _, note = comparable(baseline, current)
    made_by = most_shared(baseline, current)
    if moments is None or made_by is None:
        return None, note
    n = moments.n.sum(1)
    means = (moments.means * moments.n[..., None]).sum(1) / n[:, None]
    apart = moments.means - means[:, None]
    scatter = moments.scatter + np.einsum("wf,wfi,wfj->wij", moments.n, apart, apart)
    covariance = scatter.sum(0) / (n.sum() - 2)
    width = len(covariance)
    shrinkage = width / (width + n.sum())
    spherical = np.trace(covariance) / width * np.eye(width)
    shrunk = (1 - shrinkage) * covariance + shrinkage * spherical
    weights = np.linalg.solve(shrunk, means[1] - means[0])
    return Discriminant(made_by, weights, float(weights @ means.sum(0) / 2)), note


def risen_labels(baseline: Tally, current: Tally) -> tuple[dict[str, float], str]:
    """The labels whose share rose, the most first, and a note where nothing can be said.

    Each with the logarithm of how many times as large its share is now. Half a prediction is added
    to every label of each window, so that one which is new has a ratio as well.

    >>> from astermind_lab.core.tally import Observation
    >>> def window(labels):
    ...     return Tally.of(Observation(None, label, 0.9, None, 0) for label in labels)
    >>> found, _ = risen_labels(window("aaaaabbbbb"), window("aaaabbbbcc"))
    >>> {label: round(ratio, 2) for label, ratio in found.items()}
    {'c': 1.61}
    """
    then, now = (
        {label: n for label, n in window.predicted.items() if n > 0}
        for window in (baseline, current)
    )
    sizes = sum(then.values()), sum(now.values())
    if note := too_little(sizes, "predictions"):
        return {}, note
    half = 0.5 * len({*then, *now})
    ratios = {
        label: math.log((n + 0.5) / (then.get(label, 0) + 0.5))
        - math.log((sizes[1] + half) / (sizes[0] + half))
        for label, n in now.items()
    }
    risen = {
        label: ratio
        for label, ratio in sorted(ratios.items(), key=lambda item: (-item[1], item[0]))
        if ratio > 0
    }
    return risen, "" if risen else "no label has a larger share now than in the baseline"
