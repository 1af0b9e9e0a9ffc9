"""Exact leave-one-out along a whole path of λ, by one eigendecomposition.

With the constant eliminated, ``β = (C + λI)⁻¹ t`` for the centred scatter ``C = V diag(d) Vᵀ``.
Rows turned by V once then answer any λ by products alone: scores with ``t / (d + λ)``, leverages
with squares over ``d + λ``. One decomposition costs about as much as five factorisations.

Source: Golub, Heath & Wahba 1979 (ridge path by eigenvalues); Allen 1974, Rifkin & Lippert 2007
(leave-one-out).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import WORKERS, single_threaded
from astermind_lab.core.readout import RIDGE_PATH, RidgeReadout
from astermind_lab.errors import InvalidInput

__all__ = ["FINE_PATH", "PathPoint", "RidgePath", "downhill"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

STEPS = 3


def _between(path: Array, steps: int) -> Array:
    """The path with ``steps`` steps on a logarithmic scale where it has one."""
    places = np.arange(steps * (len(path) - 1) + 1) / steps
    fine = 10.0 ** np.interp(places, np.arange(len(path)), np.log10(path))
    fine[::steps] = path
    return np.asarray(fine)


FINE_PATH = _between(RIDGE_PATH, STEPS)
"""25 λ over the range of ``RIDGE_PATH``, every third of them its own, as the same shares."""


def downhill(error: Callable[[int], float], size: int) -> int:
    """Where ``error``, which falls and rises once over ``range(size)``, is least.

    It is walked from the middle, so that few places are asked for.
    """
    best = size // 2 - 1
    for step in (-1, 1):
        while 0 <= best + step < size and error(best + step) < error(best):
            best += step
    return best


@dataclass(frozen=True)
class PathPoint:
    """Leave-one-out under one λ.

    correct : of the judged rows     error : weighted mean squared error, summed over the classes
    recalls : (k,) float64, share of each class's judged rows that are right; NaN without any
    """

    ridge: float
    correct: int
    error: float
    recalls: Array

    @property
    def balanced(self) -> float:
        """The mean of the recalls."""
        return float(np.nanmean(self.recalls))


class RidgePath:
    """The leave-one-out scores of some rows under any λ.

    labels : (m,) class numbers of the judged rows     counts : (k,) how many each class has
    spread : mean over the hidden features of their scatter, which λ is measured by
    """

    @single_threaded()
    def __init__(self, readout: RidgeReadout, rows: Array, labels: Numbers, weights: Array) -> None:
        """Of a readout and m rows that are part of its sums.

        rows : (m, p) float64     labels : (m,) class numbers     weights : (m,) float64
        """
        self.labels, self.weights = labels, weights
        self.counts = np.bincount(labels, minlength=readout.classes)
        self.spread = readout.spread()
        scatter, cross = readout.scatter, 2 * readout.moments - readout.scatter[:, :1]
        self._size = float(scatter[0, 0])
        mean = scatter[0, 1:] / self._size
        centred = scatter[1:, 1:] - np.outer(mean, scatter[0, 1:])
        values, vectors = np.linalg.eigh(centred)  # unlike SciPy's, it lets other threads run
        self._values: Array = values
        self._base = cross[0] / self._size
        self._turned = vectors.T @ (cross[1:] - np.outer(mean, cross[0]))
        halves = np.array_split(rows[:, 1:] - mean, WORKERS)
        with ThreadPoolExecutor(WORKERS) as pool:
            self._rows = np.concatenate(list(pool.map(lambda part: part @ vectors, halves)))
        self._squares = self._rows**2
        self._targets = np.full((len(labels), len(self._base)), -1.0)
        self._targets[np.arange(len(labels)), labels] = 1

    def leave_one_out(self, ridge: float) -> Array:
        """(m, k) float64, equal to ``RidgeReadout.with_ridge(ridge).leave_one_out``.

        Raises InvalidInput("ridge", …) for a λ too small to solve with.
        """
        return np.asarray(self._scores(np.array([ridge]))[0])

    def point(self, ridge: float) -> PathPoint:
        """What leave-one-out says under one λ; raises as ``leave_one_out``."""
        return self._point(ridge, self.leave_one_out(ridge))

    @single_threaded()
    def measure(self, ridges: Array) -> list[PathPoint]:
        """What leave-one-out says under each λ; raises as ``leave_one_out``."""

        def some(part: Array) -> list[PathPoint]:
            found = zip(part.tolist(), self._scores(part), strict=True)
            return [self._point(ridge, scores) for ridge, scores in found]

        with ThreadPoolExecutor(WORKERS) as pool:
            done = list(pool.map(some, np.array_split(ridges, min(len(ridges), 2 * WORKERS))))
        return [point for part in done for point in part]

    def _scores(self, ridges: Array) -> Array:
        """(g, m, k) float64, leave-one-out scores under each of g λ."""
        least = np.finfo(float).eps * len(self._values) * abs(float(self._values[-1]))
        if not (ridges > least).all():
            raise InvalidInput("ridge", f"{ridges.min():.3g} is too small for these rows; raise it")
        shrunk = 1 / (self._values[:, None] + ridges)
        beta = self._turned[:, None] * shrunk[:, :, None]
        scores = (self._rows @ beta.reshape(len(beta), -1)).reshape(-1, *beta.shape[1:])
        leverage = self.weights[:, None] * (self._squares @ shrunk + 1 / self._size)
        scores += self._base
        scores -= leverage[:, :, None] * self._targets[:, None]
        scores /= np.maximum(1 - leverage, 1e-12)[:, :, None]
        return np.asarray(scores.transpose(1, 0, 2))

    def _point(self, ridge: float, scores: Array) -> PathPoint:
        right = scores.argmax(1) == self.labels
        errors = ((scores - self._targets) ** 2).sum(1)
        found = np.bincount(self.labels, right, len(self.counts))
        recalls = np.full(len(self.counts), np.nan)
        np.divide(found, self.counts, out=recalls, where=self.counts > 0)
        return PathPoint(
            ridge, int(right.sum()), float(np.average(errors, weights=self.weights)), recalls
        )
