"""How often each label occurs in a window without truths, and what the answers are worth there.

Label shift means: texts of a label look as they did, only how often labels occur has changed. So
the answers of a window are a mixture, over the labels, of what each label was answered with where
the truth is known, and the shares of the mixture are the new frequencies of the labels. They are
found by maximum likelihood over all answers and levels of confidence. The errors of both windows
are carried to every figure by the delta method.

Sources: Saerens, Latinne & Decaestecker 2002; Lipton, Wang & Smola 2018; Alexandari, Kundaje &
Shrikumar 2020; Garg, Wu, Balakrishnan & Lipton 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from astermind_lab.core.blas import single_threaded
from astermind_lab.monitoring.label_tables import LabelTables

__all__ = ["Shift", "label_shift"]

Array = NDArray[np.float64]

_STEPS = 60  # under ten are usual
_EXPECTED = 5.0  # rows below which a cell is too small for χ²
_ANSWERS = 6  # the commonest ones are tested one by one
_VISIBLE = 0.01  # share of a sum's variance that the fit must have left to it


@dataclass(frozen=True)
class Shift:
    """A window explained by the labels of a baseline.

    shares : (K,) how often each label occurs     accuracy : of the answers, under these shares
    variance : of the accuracy, from the errors of the shares and of the baseline
    p_value : how often chance alone leaves so much unexplained; None where nothing can be tested
    identified : 0 to 1, how well the answers tell the two labels or groups apart that they tell
        apart worst; 1 if every label had answers of its own
    """

    shares: Array
    accuracy: float
    variance: float
    p_value: float | None
    identified: float


@single_threaded()
def label_shift(known: LabelTables, window: Array) -> Shift:
    """Explain the answers of a window by the labels of a baseline.

    window : (K, L) float64, rows by answer and level of confidence, at least one

    The shares are the most likely ones under a weak prior, the baseline's own shares, that counts
    for half a row per label. The accuracy is the mean over the rows of the chance that the label
    said is the true one.
    """
    table, n = known.table, float(window.sum())
    k, c = table.shape
    seen = window.ravel() / n
    prior = k / 2 * known.shares / n
    shares = _shares(table, seen, prior)
    mixture = shares @ table
    answer, cell = np.repeat(np.arange(k), c // k), np.arange(c)
    own = table[answer, cell]
    right = shares[answer] * own / mixture
    ratio = table / mixture
    information = ratio @ table.T
    covariance = _in_simplex(information + np.diag(prior / shares**2))
    # The accuracy's derivatives by the shares, then by the table, the shares following it.
    by_shares = np.bincount(answer, weights=own, minlength=k) - table @ right
    step = covariance @ by_shares
    slopes = step[:, None] - shares[:, None] * (right + step @ ratio)
    slopes[answer, cell] += shares[answer]
    parts = known.spread(slopes)
    scaled = information * np.sqrt(np.outer(shares, shares))
    return Shift(
        shares=shares,
        accuracy=float(np.clip(seen @ right, 0, 1)),
        variance=float(by_shares @ step / n + parts @ parts),
        p_value=_unexplained(known, seen, n, shares, prior, covariance),
        identified=float(np.clip(np.linalg.eigvalsh(scaled)[0], 0, 1)),
    )


def _shares(table: Array, seen: Array, prior: Array) -> Array:
    """The most likely shares (K,) of a mixture: Newton's steps, each after one step of EM."""
    table, seen = table[:, seen > 0], seen[seen > 0]
    shares: Array = prior / prior.sum()

    def likelihood(q: Array) -> float:
        return float(seen @ np.log(q @ table) + prior @ np.log(q))

    for _ in range(_STEPS):
        before = shares
        shares = shares * (table @ (seen / (shares @ table))) + prior
        shares = shares / shares.sum()
        ratio = table / (shares @ table)
        slope = ratio @ seen + prior / shares
        curve = (ratio * seen) @ ratio.T + np.diag(prior / shares**2)
        step = _in_simplex(curve) @ slope
        far = -step > 0.9 * shares  # a whole step would leave the simplex, or almost
        reach = 0.9 * float(np.min(shares[far] / -step[far], initial=1 / 0.9))
        moved = shares + reach * step
        if likelihood(moved) > likelihood(shares):
            shares = moved / moved.sum()
        if np.abs(shares - before).sum() < 1e-8:
            break
    return shares


def _in_simplex(curve: Array) -> Array:
    """The inverse of a curvature, along the directions in which shares still add up to 1."""
    inverse = np.linalg.inv(curve)
    total = inverse.sum(1)
    return np.asarray(inverse - np.outer(total, total) / total.sum())


def _unexplained(
    known: LabelTables, seen: Array, n: float, shares: Array, prior: Array, covariance: Array
) -> float | None:
    """The p-value of the window agreeing with the mixture where the fit leaves it free to differ.

    The shares follow how often each answer comes. So what is tested is how often each level of
    confidence comes, and the lower half of the levels of the commonest answers.
    """
    table = known.table
    mixture = shares @ table
    sums = _sums(mixture.reshape(len(shares), -1) * n)
    if not len(sums):
        return None
    moved = sums @ table.T @ covariance
    left = sums - moved @ (table / mixture)  # what of each row's noise the fit leaves in a sum
    mean = left @ mixture
    noise = ((left * mixture) @ left.T - np.outer(mean, mean)) / n
    noise += (moved * (prior / shares**2)) @ moved.T / n
    parts = np.stack([known.spread(shares[:, None] * row) for row in left])
    noise += parts @ parts.T
    scale = np.sqrt(sums @ mixture / n)
    size, axes = np.linalg.eigh(noise / np.outer(scale, scale))
    along = axes.T @ (sums @ (seen - mixture) / scale)
    tested = size > _VISIBLE
    if not tested.any():
        return None
    statistic = float((along[tested] ** 2 / size[tested]).sum())
    return float(chdtrc(float(tested.sum()), statistic))


def _sums(expected: Array) -> Array:
    """(g, K · L) of 0 and 1: which cells to add up, so that none of the sums is too small."""
    k, n_levels = expected.shape
    made = []
    cells = np.zeros((k, n_levels))
    for level in range(n_levels):
        cells[:, level] = 1
        rest = expected[:, level + 1 :].sum()
        if rest and min((cells * expected).sum(), rest) >= _EXPECTED:
            made.append(cells.ravel())
            cells = np.zeros((k, n_levels))
    commonest = np.argsort(-expected.sum(1), kind="stable")[:_ANSWERS]
    for answer in commonest:
        below = np.cumsum(expected[answer])
        half = int(np.argmax(below >= below[-1] / 2)) + 1
        if min(below[half - 1], below[-1] - below[half - 1]) >= _EXPECTED:
            cells = np.zeros((k, n_levels))
            cells[answer, :half] = 1
            made.append(cells.ravel())
    return np.stack(made) if made else np.empty((0, k * n_levels))
