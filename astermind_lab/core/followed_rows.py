"""Rows whose scores and leverages follow a readout from change to change.

A change of the readout by one row moves ``β`` and ``(A + λD)⁻¹`` along one vector. One product of
the rows with that vector moves their scores and leverages as far, where working them out anew
would take a triangular solve.

Source: Sherman & Morrison 1950 (updates).
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from astermind_lab.core.blas import single_threaded
from astermind_lab.core.features import blocks
from astermind_lab.core.readout import RidgeReadout, Step

__all__ = ["FollowedRows"]

Array = NDArray[np.float64]
Floats = NDArray[Any]

_SPARE = 64  # rows there is room for before the arrays are moved


class FollowedRows:
    """m rows of p numbers, their scores (m, k) and leverages ``xᵀ (A + λD)⁻¹ x`` (m,).

    In float64 they stay as exact as the readout's own updates, in float32 good enough to order the
    rows by. Where the readout was solved anew, so are they, when next asked for. Leverages that
    nobody asks for cost nothing.
    """

    def __init__(self, readout: RidgeReadout, rows: Floats, dtype: DTypeLike = np.float64) -> None:
        """rows : (m, p)     dtype : float64 or float32"""
        self._readout = readout
        self._rows = np.ascontiguousarray(rows, dtype)
        self._size = len(rows)
        self._scores: Floats | None = None
        self._leverages: Floats | None = None
        ours = weakref.WeakMethod(self.follow)

        def follow(step: Step | None) -> None:
            alive = ours()
            if alive is None:
                readout.followers.remove(follow)
            else:
                alive(step)

        readout.followers.append(follow)

    def __len__(self) -> int:
        return self._size

    @property
    def rows(self) -> Floats:
        """(m, p)"""
        return self._rows[: self._size]

    @property
    def scores(self) -> Floats:
        """(m, k), what the readout says of each row; not to be changed."""
        if self._scores is None:
            self._scores = self._product(self._readout.beta)
        return self._of_all_classes(self._scores)

    @property
    def leverages(self) -> Floats:
        """(m,), not to be changed."""
        if self._leverages is None:
            found = np.empty(self._size, self._rows.dtype)
            with single_threaded():
                for part in blocks(self._size):
                    found[part] = self._readout.leverages(self.rows[part])
            self._leverages = found
        return self._leverages

    def follow(self, step: Step | None) -> None:
        """Move with the readout; None: it was solved anew."""
        if step is None:
            self._let_go()
        elif self._scores is not None or self._leverages is not None:
            self._move(self._product(step.reach), step)

    def _let_go(self) -> None:
        self._scores = self._leverages = None

    def _move(self, moved: Floats, step: Step) -> None:
        """moved : (m,) the rows' products with the reach of the step"""
        if self._scores is not None:
            scores = self._scores[:, : len(step.pull)]
            scores += np.outer(moved, step.pull[: scores.shape[1]].astype(scores.dtype))
            self._of_all_classes(scores)
        if self._leverages is not None and step.gain:
            self._leverages -= self._rows.dtype.type(step.gain) * moved * moved

    def append(self, rows: Array) -> None:
        """Follow more rows, (n, p) float64, which are the last then."""
        known = None if self._scores is None else self.scores
        size = self._size + len(rows)
        if size > len(self._rows):
            room = np.empty((size + max(_SPARE, size // 8), rows.shape[1]), self._rows.dtype)
            room[: self._size] = self.rows
            self._rows = room
        self._rows[self._size : size] = rows
        self._size = size
        if known is not None:
            fresh = (rows @ self._readout.beta).astype(self._rows.dtype)
            self._scores = np.vstack((known, fresh))
        if self._leverages is not None:
            fresh = self._readout.leverages(rows).astype(self._rows.dtype)
            self._leverages = np.concatenate((self._leverages, fresh))

    def remove(self, positions: list[int]) -> None:
        """Follow these rows no more; those behind them move up."""
        kept = np.delete(np.arange(self._size), positions)
        first = min(positions, default=self._size)
        self._rows[first : len(kept)] = self._rows[kept[first:]]
        self._size = len(kept)
        if self._scores is not None:
            self._scores = self._scores[kept]
        if self._leverages is not None:
            self._leverages = self._leverages[kept]

    def _product(self, right: Array) -> Floats:
        return np.asarray(self.rows @ right.astype(self._rows.dtype, copy=False))

    def _of_all_classes(self, scores: Floats) -> Floats:
        """Scores with a column for each class the readout has now; only last ones come or go."""
        classes = self._readout.classes
        if scores.shape[1] < classes:
            fresh = self._product(self._readout.beta[:, scores.shape[1] :])
            scores = np.hstack((scores, fresh))
        self._scores = scores[:, :classes]
        return self._scores
