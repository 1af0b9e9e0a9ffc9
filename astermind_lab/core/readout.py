"""The ridge readout in closed form, and everything that is exact because of it.

Training data enters only as sums over rows: the scatter ``A = Σ w h hᵀ`` and the moments
``B[:, k] = Σ w h [row is of class k]``. With targets +1 / -1 the readout is ``β = (A + λD)⁻¹ T``,
``T = 2B - A[:, 0] 1ᵀ``, where h begins with a constant 1 that D does not penalise. So rows can be
added and taken away, sums of two parts of the data add up, and leaving a row out costs one product.

Source: Hoerl & Kennard 1970 (ridge); Allen 1974, Rifkin & Lippert 2007 (leave-one-out);
Sherman & Morrison 1950 (updates).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import scipy.linalg as sl
from numpy.typing import NDArray

from astermind_lab.core.blas import single_threaded
from astermind_lab.errors import InvalidInput, shown

__all__ = ["RIDGE_PATH", "RidgeReadout", "Step", "left_out", "press", "scatter_and_moments"]

Array = NDArray[np.float64]

_LEAST_TURN, _MOST_TURN = 0.01, 1000.0
"""An update divides by 1 + w · leverage; where that is near 0, or very large, digits would go."""
_MOST_UPDATES = 1000
_NO_ROW = 1e-6  # the weights of all rows together, where only their rounding is left

RIDGE_PATH = 10.0 ** np.arange(-3.5, 0.6, 0.5)
"""The λ that leave-one-out chooses from, as shares of the mean variance of a hidden feature."""


def press(hidden: Array, targets: Array, ridge: float) -> Array:
    """Leave-one-out scores of a ridge readout with an unpenalised constant, without refitting.

    hidden : (n, p) float64, first column 1     targets : (n, k) float64
    ridge : λ > 0, added to the diagonal of HᵀH except for the constant
    Returns (n, k) float64: row i is what the model fitted without row i says about row i.
    Raises InvalidInput if λ ≤ 0 or the row counts differ.
    Source: Allen 1974; Rifkin & Lippert 2007.
    """
    if not ridge > 0:
        raise InvalidInput("ridge", f"must be above 0, got {shown(ridge)}")
    if len(hidden) != len(targets):
        raise InvalidInput("targets", f"{len(targets)} rows for {len(hidden)} rows of hidden")
    factor = _factor(hidden.T @ hidden, ridge)
    beta = sl.cho_solve((factor, True), hidden.T @ targets)
    return _left_out(factor, beta, hidden, targets, np.ones(len(hidden)))


def scatter_and_moments(
    hidden: Array, labels: NDArray[np.intp], weights: Array, classes: int
) -> tuple[Array, Array]:
    """The sums over a block of rows, (p, p) and (p, classes) float64.

    hidden : (n, p) float64     labels : (n,) class numbers     weights : (n,) float64
    """
    onehot = np.zeros((len(labels), classes))
    onehot[np.arange(len(labels)), labels] = weights
    root = hidden * np.sqrt(weights)[:, None]
    return root.T @ root, hidden.T @ onehot


class Step(NamedTuple):
    """What one row changed: ``β += reach ⊗ pull`` and ``(A + λD)⁻¹ -= gain · reach ⊗ reach``.

    reach : (p,) float64     pull : (k,) float64     gain : 0 where only the targets changed
    """

    reach: Array
    pull: Array
    gain: float


@dataclass
class RidgeReadout:
    """Sums, their solution, and its updates.

    scatter : (p, p) float64     moments : (p, k) float64     ridge : λ > 0
    followers : called after each change, with the step, or with None where it was solved anew; a
        copy has none
    """

    scatter: Array
    moments: Array
    ridge: float = 1.0
    _beta: Array | None = field(default=None, repr=False)
    _inverse: Array | None = field(default=None, repr=False)
    _cholesky: Array | None = field(default=None, repr=False)
    _updates: int = field(default=0, repr=False)
    followers: list[Callable[[Step | None], object]] = field(default_factory=list, repr=False)

    @classmethod
    def empty(cls, width: int, classes: int, ridge: float = 1.0) -> RidgeReadout:
        return cls(np.zeros((width, width)), np.zeros((width, classes)), ridge)

    @property
    def classes(self) -> int:
        return int(self.moments.shape[1])

    @property
    def beta(self) -> Array:
        """(p, k) float64 readout weights."""
        if self._beta is None:
            solved = sl.cho_solve((self.factor(), True), self._cross())
            # one memory order everywhere, or a reloaded model would differ in the last bit
            self._beta = np.ascontiguousarray(solved)
        return self._beta

    def factor(self) -> Array:
        """(p, p) float64 lower Cholesky factor of the penalised scatter."""
        if self._cholesky is None:
            self._cholesky = _factor(self.scatter, self.ridge)
        return self._cholesky

    def accumulate(self, scatter: Array, moments: Array) -> None:
        """Add the sums of more rows; see ``scatter_and_moments``."""
        self.scatter += scatter
        self.moments += moments
        self._changed()

    def include(self, hidden: Array, labels: NDArray[np.intp], weights: Array) -> None:
        """Add rows, or take them away by negative weights; solved anew when next needed.

        hidden : (n, p) float64     labels : (n,) class numbers     weights : (n,) float64
        """
        onehot = np.zeros((len(labels), self.classes))
        onehot[np.arange(len(labels)), labels] = weights
        self.accumulate((hidden * weights[:, None]).T @ hidden, hidden.T @ onehot)

    def spread(self) -> float:
        """Mean over the hidden features of their scatter around the mean."""
        mean = self.scatter[0, 1:] / self.scatter[0, 0]
        centred = np.diagonal(self.scatter)[1:] - mean * self.scatter[0, 1:]
        # texts that are all alike have no spread; some of their size keeps the system solvable
        return float(max(centred.mean(), 1e-6 * np.diagonal(self.scatter).mean(), 1e-12))

    def with_ridge(self, ridge: float) -> RidgeReadout:
        """The same sums under another λ."""
        return RidgeReadout(self.scatter, self.moments, ridge)

    def scores(self, hidden: Array) -> Array:
        """(n, p) float64 → (n, k) float64; +1 means the class, -1 means not."""
        return hidden @ self.beta

    @single_threaded()
    def leave_one_out(self, hidden: Array, labels: NDArray[np.intp], weights: Array) -> Array:
        """Leave-one-out scores of rows that are part of the sums.

        hidden : (n, p) float64     labels : (n,) class numbers     weights : (n,) float64
        Returns (n, k) float64, equal to refits without the row under the same hidden layer and λ.
        """
        targets = np.full((len(labels), self.classes), -1.0)
        targets[np.arange(len(labels)), labels] = 1
        return _left_out(self.factor(), self.beta, hidden, targets, weights)

    @single_threaded()
    def change(self, hidden: Array, label: int, weight: float) -> None:
        """Add one row, or take it away by a negative weight; the solution follows exactly.

        hidden : (p,) float64     label : class number     weight : its weight, with the sign
        """
        if min(self.scatter[0, 0], self.scatter[0, 0] + weight) < _NO_ROW:
            # without any row the constant has no scatter, and its inverse no digits
            self.include(hidden[None], np.array([label]), np.array([weight]))
            return
        target = np.full(self.classes, -1.0)
        target[label] = 1
        inverse, beta = self._inverted(), self.beta
        reach = sl.blas.dsymv(1.0, inverse, hidden, lower=1)
        turn = 1 + weight * float(hidden @ reach)
        self._updates += 1
        if not _LEAST_TURN < turn < _MOST_TURN or self._updates > _MOST_UPDATES:
            # a row that the solution hangs on: an update would lose digits, the sums do not
            self.include(hidden[None], np.array([label]), np.array([weight]))
            return
        gain = weight / turn
        step = Step(reach, gain * (target - hidden @ beta), gain)
        self._beta = beta + np.outer(reach, step.pull)
        self._inverse = sl.blas.dsyr(-gain, reach, lower=1, a=inverse, overwrite_a=1)
        self._cholesky = None
        # the transpose is in Fortran order, so that BLAS works in place
        sl.blas.dger(weight, hidden, hidden, a=self.scatter.T, overwrite_a=1)
        self.moments[:, label] += weight * hidden
        self._tell(step)

    @single_threaded()
    def move(self, hidden: Array, old: int, new: int, weight: float) -> None:
        """Give one row another class; its weight stays."""
        reach = sl.blas.dsymv(1.0, self._inverted(), hidden, lower=1)
        pull = np.zeros(self.classes)
        pull[old] -= 2 * weight
        pull[new] += 2 * weight
        self._beta = self.beta + np.outer(reach, pull)
        self.moments[:, old] -= weight * hidden
        self.moments[:, new] += weight * hidden
        self._tell(Step(reach, pull, 0.0))

    def add_class(self) -> None:
        """Room for one more class, of which there is no row yet: -1 says every row."""
        column = np.zeros((len(self.moments), 1))
        self.moments = np.hstack((self.moments, column))
        if self._beta is not None:
            if self.scatter[0, 0] >= _NO_ROW:
                column[0] = -1
            self._beta = np.hstack((self._beta, column))

    def drop_class(self) -> None:
        """Take the last class away, of which there must be no row left."""
        self.moments = np.ascontiguousarray(self.moments[:, :-1])
        if self._beta is not None:
            self._beta = np.ascontiguousarray(self._beta[:, :-1])

    def set_ridge(self, ridge: float) -> None:
        """Another λ over the same sums, solved anew when next needed."""
        self.ridge = ridge
        self._changed()

    def leverages(self, hidden: Array) -> Array:
        """(n, p) → (n,), ``hᵀ (A + λD)⁻¹ h`` of each row, float64 or float32 as the rows are."""
        if self._cholesky is None and self._inverse is not None:
            return np.asarray(np.einsum("ij,ij->i", hidden, self.solved(hidden)))
        factor = self.factor().astype(hidden.dtype, copy=False)
        reach = sl.solve_triangular(factor, hidden.T, lower=True, check_finite=False)
        return np.asarray(np.einsum("ij,ij->j", reach, reach))

    def solved(self, hidden: Array) -> Array:
        """(n, p) float64 → (n, p) float64, ``(A + λD)⁻¹ h`` of each row."""
        if self._cholesky is None and self._inverse is not None:
            if len(hidden) == 1:
                return np.asarray(sl.blas.dsymv(1.0, self._inverse, hidden[0], lower=1))[None]
            return np.asarray(sl.blas.dsymm(1.0, self._inverse, hidden.T, lower=1).T)
        return np.asarray(sl.cho_solve((self.factor(), True), hidden.T, check_finite=False).T)

    def plus(self, other: RidgeReadout, sign: int = 1) -> RidgeReadout:
        """The sums of both, or of this without the other; λ is this one's."""
        return RidgeReadout(
            self.scatter + sign * other.scatter, self.moments + sign * other.moments, self.ridge
        )

    def copy(self) -> RidgeReadout:
        return RidgeReadout(self.scatter.copy(), self.moments.copy(), self.ridge, self._beta)

    def _cross(self) -> Array:
        return 2 * self.moments - self.scatter[:, :1]

    def _changed(self) -> None:
        self._beta = self._inverse = self._cholesky = None
        self._updates = 0
        self._tell(None)

    def _tell(self, step: Step | None) -> None:
        for follower in tuple(self.followers):
            follower(step)

    def _inverted(self) -> Array:
        if self._inverse is None:
            inverse, info = sl.lapack.dpotri(self.factor(), lower=1)
            if info:
                raise InvalidInput(
                    "config", f"ridge = {self.ridge:.3g} is too small for an inverse"
                )
            self._inverse = np.asfortranarray(inverse)
        return self._inverse


def _factor(scatter: Array, ridge: float) -> Array:
    """Lower Cholesky factor of the penalised scatter; the constant is not penalised."""
    penalised = np.array(scatter, order="F")
    diagonal = np.einsum("ii->i", penalised)
    diagonal[1:] += ridge
    if diagonal[0] < _NO_ROW:  # sums without a single row stay solvable
        diagonal[0] += 1e-12
    try:
        return np.asarray(sl.cholesky(penalised, lower=True, overwrite_a=True, check_finite=False))
    except np.linalg.LinAlgError:
        raise InvalidInput(
            "config", f"ridge = {ridge:.3g} is too small for these rows; leave it out or raise it"
        ) from None


def _left_out(factor: Array, beta: Array, hidden: Array, targets: Array, weights: Array) -> Array:
    reach = sl.solve_triangular(factor, hidden.T, lower=True, check_finite=False)
    leverage = np.einsum("ij,ij->j", reach, reach)
    return left_out(hidden @ beta, leverage, targets, weights)


def left_out(scores: Array, leverages: Array, targets: Array, weights: Array) -> Array:
    """Leave-one-out scores of rows, from what the solution with them says of them.

    scores, targets : (n, k) float64     leverages, weights : (n,) float64
    """
    share = (weights * leverages)[:, None]
    return np.asarray((scores - share * targets) / np.maximum(1 - share, 1e-12))
