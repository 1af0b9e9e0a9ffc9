"""The hidden layer: fixed weights, never trained.

Source: Huang, Zhu & Siew 2006 (random weights); Zhu, Miao & Qing 2014 (constrained weights:
differences of training samples of two classes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from astermind_lab.core.config import ElmConfig

__all__ = ["ACTIVATIONS", "HiddenLayer"]

Array = NDArray[np.float64]


def _relu(x: Array) -> Array:
    return np.maximum(x, 0, out=x)


def _leaky(x: Array) -> Array:
    return np.maximum(x, 0.01 * x, out=x)


def _tanh(x: Array) -> Array:
    return np.tanh(x, out=x)


def _sigmoid(x: Array) -> Array:
    return np.asarray(expit(x, out=x))


def _gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": _relu,
    "leakyrelu": _leaky,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "linear": lambda x: x,
    "gelu": _gelu,
}
"""Each may overwrite its argument."""


@dataclass(frozen=True)
class HiddenLayer:
    """``activation(z @ weights + bias)`` for coordinates z of about unit spread.

    weights : (c, h) float64     bias : (h,) float64     activation : a key of ACTIVATIONS
    """

    weights: Array
    bias: Array
    activation: str

    @classmethod
    def make(
        cls, config: ElmConfig, points: Array, labels: NDArray[np.intp], rng: np.random.Generator
    ) -> HiddenLayer:
        """A layer for these coordinates.

        points : (n, c) float64, used by constrained units only     labels : (n,) class numbers
        """
        width, units = points.shape[1], config.hidden_units
        pairs = _pairs(labels, units, rng) if config.hidden == "constrained" else None
        if pairs is None:
            weights = _random_weights(config.weight_init, width, units, rng)
            bias = rng.standard_normal(units) * 0.5
        else:
            near, far = points[pairs[0]], points[pairs[1]]
            gap = near - far
            weights = (gap / np.maximum((gap**2).sum(1, keepdims=True), 1e-6)).T * 2
            bias = -((near + far) / 2 * weights.T).sum(1)
        if config.dropout:
            weights = weights * (rng.random(weights.shape) >= config.dropout)
        return cls(np.ascontiguousarray(weights), bias, config.activation)

    def __call__(self, coordinates: Array) -> Array:
        """(n, c) float64 coordinates → (n, h) float64 hidden features."""
        return ACTIVATIONS[self.activation](coordinates @ self.weights + self.bias)


def _random_weights(init: str, width: int, units: int, rng: np.random.Generator) -> Array:
    if init == "uniform":
        return np.asarray(rng.uniform(-1, 1, (width, units)) * np.sqrt(3 / width))
    if init == "xavier":
        limit = np.sqrt(6 / (width + units))
        return np.asarray(rng.uniform(-limit, limit, (width, units)))
    spread = np.sqrt((2 if init == "he" else 1) / width)
    return np.asarray(rng.standard_normal((width, units)) * spread)


def _pairs(
    labels: NDArray[np.intp], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """``count`` pairs of rows of different classes; None where there is one class only."""
    if len(np.unique(labels)) < 2:
        return None
    near, far = rng.integers(len(labels), size=(2, count))
    while (same := labels[near] == labels[far]).any():
        far[same] = rng.integers(len(labels), size=int(same.sum()))
    return near, far
