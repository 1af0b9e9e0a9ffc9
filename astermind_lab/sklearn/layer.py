"""The fixed part of a numeric classifier: standardised inputs, random features, a direct link.

Source: Huang, Zhu & Siew 2006 (ELM); Pao, Park & Sobajic 1994 (the direct link).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core import ElmConfig
from astermind_lab.core.features import blocks
from astermind_lab.core.hidden import HiddenLayer
from astermind_lab.core.parts import sample
from astermind_lab.errors import InvalidInput

__all__ = ["NumericLayer"]

Array = NDArray[np.float64]

MAX_WIDTH = 16_384
"""Inputs and hidden units together; the sums over them take the square of it in memory."""
MOST_BUILDERS = 20_000


@dataclass(frozen=True)
class NumericLayer:
    """Row of X → ``[1, standardised inputs, hidden features]``, p numbers.

    mean, scale : (d,) float64     direct_link : are the inputs themselves among the p numbers?
    """

    mean: Array
    scale: Array
    hidden: HiddenLayer
    direct_link: bool

    @classmethod
    def make(
        cls,
        config: ElmConfig,
        X: Any,
        y: NDArray[np.intp],
        weights: Array,
        builders: NDArray[np.intp],
        direct_link: bool,
        rng: np.random.Generator,
    ) -> NumericLayer:
        """A layer for inputs like these.

        X : (n, d) float64, dense or CSR     y : (n,) class numbers     weights : (n,) float64
        builders : numbers of the rows that constrained units may be made from
        Raises InvalidInput("X", …) where inputs and units are too many for a solve.
        """
        width = 1 + config.hidden_units + (X.shape[1] if direct_link else 0)
        if width > MAX_WIDTH:
            raise InvalidInput(
                "X",
                f"{X.shape[1]:,} features and {config.hidden_units:,} hidden units are more than "
                f"{MAX_WIDTH:,} together; reduce them (PCA, TruncatedSVD) or set direct_link=False",
            )
        mean, scale = _standards(X, weights)
        rows = builders[:1]  # random units look at nothing but the number of columns
        if config.hidden == "constrained":
            rows = sample(builders, MOST_BUILDERS, rng)
        points = (_dense(X[rows]) - mean) / scale
        return cls(mean, scale, HiddenLayer.make(config, points, y[rows], rng), direct_link)

    @property
    def width(self) -> int:
        return 1 + len(self.hidden.bias) + (len(self.mean) if self.direct_link else 0)

    def standardised(self, X: Any) -> Array:
        """(n, d) float64 of zero mean and unit spread over the data that made the layer."""
        return np.asarray((_dense(X) - self.mean) / self.scale)

    def expand(self, points: Array) -> Array:
        """(n, d) standardised inputs → (n, p) float64, the row that the readout sees."""
        rows = np.empty((len(points), self.width))
        rows[:, 0] = 1
        link = self.width - len(self.hidden.bias)
        if self.direct_link:
            rows[:, 1:link] = points
        rows[:, link:] = self.hidden(points)
        return rows


def _dense(X: Any) -> Array:
    return np.asarray(X if isinstance(X, np.ndarray) else X.toarray())


def _standards(X: Any, weights: Array) -> tuple[Array, Array]:
    """Weighted mean and spread of every column; a constant column has spread 1."""
    total = weights.sum()
    mean, variance = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for part in blocks(X.shape[0]):
            mean += weights[part] @ _dense(X[part]) / total
        for part in blocks(X.shape[0]):
            variance += weights[part] @ (_dense(X[part]) - mean) ** 2 / total
    if not np.isfinite(variance).all():
        column = int(np.flatnonzero(~np.isfinite(variance))[0])
        raise InvalidInput("X", f"the numbers of column {column} are too large to be squared")
    spread = np.sqrt(variance)
    # what a constant column has of spread is rounding
    constant = spread <= 1e-13 * np.abs(mean)
    return mean, np.where(constant, 1.0, spread)
