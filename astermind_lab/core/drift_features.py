"""Drift features: the hidden layer in a few whole numbers, so that sums of it can be kept.

The map is the principal components of the hidden features of some training rows, all in one scale
and rounded to a byte. It is made once, in training, and stays with the hidden layer, so that what
was summed up last month can be compared with today's.

Source: Halko, Martinsson & Tropp 2011 (principal components by subspace iteration).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["WIDTH", "FeatureMap"]

Array = NDArray[np.float64]

WIDTH = 32
_SPARE, _ROUNDS = 8, 3
_LARGEST = 127
_SPREAD = 32  # of the first component, in whole numbers: it is cut beyond four times that


@dataclass(frozen=True)
class FeatureMap:
    """Hidden features to d whole numbers.

    mean : (h,) float32     weights : (h, d) float32
    """

    mean: NDArray[np.float32]
    weights: NDArray[np.float32]

    @classmethod
    def learn(cls, hidden: Array) -> FeatureMap:
        """The map of these rows. hidden : (n, h) float64, n ≥ 1."""
        mean = hidden.mean(0)
        centred = hidden - mean
        width = min(WIDTH, hidden.shape[1])
        basis = np.random.default_rng(0).standard_normal((hidden.shape[1], width + _SPARE))
        for _ in range(_ROUNDS):
            basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
        _, values, turned = np.linalg.svd(centred @ basis, full_matrices=False)
        parts = (basis @ turned.T)[:, :width]
        spread = values[0] / np.sqrt(len(hidden)) if len(values) else 0.0
        scale = _SPREAD / spread if spread > 1e-12 else 0.0
        return cls(mean.astype(np.float32), (parts * scale).astype(np.float32))

    def __call__(self, hidden: Array) -> NDArray[np.int8]:
        """(n, h) float64 hidden features → (n, d) int8."""
        values = (hidden - self.mean) @ self.weights
        return np.clip(np.rint(values), -_LARGEST, _LARGEST).astype(np.int8)

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits, equal for equal maps."""
        total = hashlib.blake2b(digest_size=16)
        for part in (self.mean, self.weights):
            total.update(f"{part.shape};".encode())
            total.update(np.ascontiguousarray(part).tobytes())
        return total.hexdigest()
