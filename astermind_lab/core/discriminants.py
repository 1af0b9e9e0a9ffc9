"""Linear discriminants: one sparse direction per class, fitted in a few passes over the texts.

Each class against the rest by the squared hinge, minimised by nonlinear conjugate gradients with a
diagonal preconditioner and an exact line search. All classes move together, so that an iteration
is two products with the text matrix; six iterations reach the accuracy of a converged linear
support vector machine on the data sets of ``docs/benchmarks.md``.

Source: Chang, Hsieh & Lin 2008 (squared hinge); Nocedal & Wright 2006, ch. 5 (Polak-Ribière).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["DENSE_SHARE", "Discriminants", "SplitMatrix", "fit"]

Floats = NDArray[np.float32]

DENSE_SHARE = 0.1
"""Features found in more than this share of the texts are cheaper as dense columns."""
MOST_DENSE = 1 << 27  # cells


@dataclass(frozen=True)
class Discriminants:
    """Scores ``X @ weights + bias``.

    weights : (d, c) float32     bias : (c,) float32
    """

    weights: Floats
    bias: Floats


class SplitMatrix:
    """A sparse (n, d) float32 matrix with its most frequent columns kept dense."""

    def __init__(self, blocks: list[sp.csr_matrix[np.float32]]) -> None:
        """Of blocks of rows; the list is emptied on the way, so that memory holds them once."""
        width = blocks[0].shape[1]
        rows = sum(block.shape[0] for block in blocks)
        frequency, squares = np.zeros(width, np.int64), np.zeros(width)
        for block in blocks:
            frequency += np.bincount(block.indices, minlength=width)
            squares += np.bincount(block.indices, block.data**2, width)
        order = np.argsort(-frequency, kind="stable")[: MOST_DENSE // max(rows, 1)]
        self.frequent = np.sort(order[frequency[order] > DENSE_SHARE * rows])
        dense = np.zeros(width, bool)
        dense[self.frequent] = True
        self.shape = rows, width
        self.squares = squares.astype(np.float32)
        self.dense = np.empty((rows, len(self.frequent)), np.float32)
        rare, start = [], 0
        while blocks:
            block = blocks.pop(0)
            self.dense[start : start + block.shape[0]] = block[:, self.frequent].toarray()
            start += block.shape[0]
            kept = ~dense[block.indices]
            ends = np.zeros(len(kept) + 1, np.int64)
            np.cumsum(kept, out=ends[1:])
            parts = block.data[kept], block.indices[kept], ends[block.indptr]
            rare.append(sp.csr_matrix(parts, shape=block.shape))
        self.sparse = sp.vstack(rare, format="csr") if len(rare) > 1 else rare[0]
        self.sparse_t = self.sparse.T

    def rows(self, chosen: NDArray[np.bool_]) -> SplitMatrix:
        """The matrix of some of the rows."""
        part = object.__new__(SplitMatrix)
        part.frequent, part.dense = self.frequent, self.dense[chosen]
        part.sparse = self.sparse[chosen]
        part.sparse_t = part.sparse.T
        part.shape = len(part.dense), self.shape[1]
        part.squares = np.asarray(part.sparse.power(2).sum(axis=0), np.float32).ravel()
        part.squares[self.frequent] = np.einsum("ij,ij->j", part.dense, part.dense)
        return part

    def times(self, right: Floats) -> Floats:
        product: Floats = self.sparse @ right
        product += self.dense @ right[self.frequent]
        return product

    def transposed_times(self, right: Floats) -> Floats:
        product: Floats = self.sparse_t @ right
        product[self.frequent] += self.dense.T @ right
        return product


def _column_dot(left: Floats, right: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->j", left, right))


def fit(
    matrix: SplitMatrix,
    signs: Floats,
    iterations: int = 6,
    start: tuple[Discriminants, Floats] | None = None,
    ridge: float = 0.5,
) -> Discriminants:
    """Minimise ``sum of max(0, 1 - signs * scores)**2 + ridge * |weights|**2``.

    matrix : (n, d)     signs : (n, c) float32, +1 in the column of the row's class, else -1
    start : discriminants to go on from, and the (n, c) float32 scores they give
    """
    count = np.float32(len(signs))
    if start is None:
        bias = signs.mean(0)
        weights = np.zeros((matrix.shape[1], signs.shape[1]), np.float32)
        scores = np.zeros_like(signs) + bias
    else:
        bias, weights, scores = start[0].bias, start[0].weights.copy(), start[1].copy()
    scale = (1 / (ridge + 0.5 * matrix.squares))[:, None].astype(np.float32)
    lam = np.float32(ridge)
    direction, bias_direction = np.zeros_like(weights), np.zeros_like(bias)
    last, last_bias, last_norm = direction, bias_direction, np.full_like(bias, np.inf)
    for _ in range(iterations):
        residual = np.maximum(0, 1 - signs * scores)
        residual *= signs
        gradient = matrix.transposed_times(residual)
        gradient -= lam * weights
        bias_gradient = residual.sum(0)
        step, bias_step = gradient * scale, bias_gradient / count
        norm = _column_dot(gradient, step) + bias_gradient * bias_step
        overlap = _column_dot(last, step) + last_bias * bias_step
        turn = np.maximum(0, (norm - overlap) / np.maximum(last_norm, 1e-20))
        direction *= turn
        direction += step
        bias_direction = bias_step + turn * bias_direction
        last, last_bias, last_norm = gradient, bias_gradient, norm
        change = matrix.times(direction)
        change += bias_direction
        length = _line_search(signs, scores, change, lam, weights, direction)
        weights += length * direction
        bias = bias + length * bias_direction
        scores += length * change
    return Discriminants(weights, bias.astype(np.float32))


def _line_search(
    signs: Floats,
    scores: Floats,
    change: Floats,
    lam: np.float32,
    weights: Floats,
    direction: Floats,
) -> Floats:
    """The best length of a step for each class; the loss along a line is piecewise quadratic."""
    margin, slope = 1 - signs * scores, signs * change
    pull, curve = _column_dot(weights, direction), _column_dot(direction, direction)
    length = np.zeros(signs.shape[1], np.float32)
    for _ in range(2):
        left = margin - length * slope
        active = np.where(left > 0, slope, np.float32(0))
        gain = _column_dot(left, active) - lam * (pull + length * curve)
        bend = np.maximum(_column_dot(active, slope) + lam * curve, np.float32(1e-12))
        length += gain / bend
    return length
