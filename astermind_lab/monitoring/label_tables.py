"""What each label was answered with in a window whose truths are known, as chances with errors.

Such a window is small where labels are many, so its table of K labels × K answers × L levels of
confidence is taken apart into three chances, each of which leans on the average over the labels
where a label has few rows of its own:

    how often a label is found      recall (K,)         leans on the recall of all labels
    what is said instead            confusion (K, K)    leans on what is said by mistake at all
    how confident the answer is     levels (K, K, L)    leans on all right, or all wrong, answers

How much they lean is read from the data, and is as little as these allow: to lean too much is to
take rare and hard labels for ordinary ones, and to be too sure of it.

Source: Minka 2000, "Estimating a Dirichlet distribution", for the likelihood.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["LabelTables", "strength"]

Array = NDArray[np.float64]

_STRENGTHS = 2.0 ** np.arange(11)  # rows that an average may stand for
_RARE = 0.003  # answers of a label so rare that errors in their own levels do not matter
_HALF_CHI2 = 1.92  # half the 95 % point of χ² with one degree of freedom


def strength(counts: Array, means: Array) -> float:
    """How many rows an average stands for beside a group's own: the fewest the counts allow.

    counts : (g, c) of g groups     means : (g, c), the average, each row adding up to 1
    Returns the smallest power of two whose Dirichlet-multinomial likelihood lies inside the 95 %
    interval around the best one.

    >>> half = np.full((4, 2), 0.5)
    >>> strength(np.array([[9.0, 1], [1, 9], [8, 2], [3, 7]]), half)
    1.0
    >>> strength(np.array([[50.0, 50], [51, 49], [49, 51], [50, 50]]), half)
    64.0
    """
    sizes = counts.sum(1)
    sizes = sizes[sizes > 0]
    found = counts > 0
    n, mean = counts[found], means[found]
    s = _STRENGTHS[:, None]
    likelihood = (gammaln(s) - gammaln(sizes + s)).sum(1)
    likelihood += (gammaln(n + s * mean) - gammaln(s * mean)).sum(1)
    return float(_STRENGTHS[np.argmax(likelihood >= likelihood.max() - _HALF_CHI2)])


class Levels:
    """Chances of each level of confidence, in groups that lean on all of them together.

    counts : (g, L)     weights : (g,) how often an answer falls into each group
    more : (L,) adding up to 1, one row that is added to the sum of the groups

    A group leans twice: in whether it is answered confidently, the upper half of the levels or the
    lower, which is what groups differ in most; and in where inside the half.
    """

    def __init__(self, counts: Array, weights: Array, more: Array) -> None:
        total = counts.sum(0) + more
        self._rows = float(total.sum())
        below = np.cumsum(total / self._rows)
        half = 1 + int(np.argmin(np.abs(below[:-1] - 0.5)))
        self._parts = (slice(0, half), slice(half, None))
        sums = np.stack([counts[:, part].sum(1) for part in self._parts], 1)
        self._mean_half = np.array([below[half - 1], 1 - below[half - 1]])
        self._half, rows, leans = leaning(sums, self._mean_half)
        self._half_leans = weights[:, None] * leans
        self._half_errors = weights[:, None] * np.sqrt(self._half / (rows + 1))
        self._common = np.flatnonzero(weights >= _RARE)
        self._inside, self._inside_errors = np.empty_like(counts), np.empty_like(counts)
        self._mean_inside, self._inside_leans = [], []
        for i, part in enumerate(self._parts):
            mean = total[part] / total[part].sum()
            inside, rows, leans = leaning(counts[:, part], mean)
            weight = weights * self._half[:, i]
            self._inside[:, part] = inside
            self._inside_errors[:, part] = weight[:, None] * np.sqrt(inside / (rows + 1))
            self._mean_inside.append(mean)
            self._inside_leans.append(weight * leans[:, 0])

    @property
    def chances(self) -> Array:
        """(g, L), rows add up to 1."""
        made = self._inside.copy()
        for i, part in enumerate(self._parts):
            made[:, part] *= self._half[:, i, None]
        return made

    def spread(self, slopes: Array) -> tuple[Array, list[Array]]:
        """As ``LabelTables.spread``; slopes : (g, L). Before the parts, their means (g,)."""
        common = self._common
        by_half = np.empty_like(self._half)
        parts = []
        for i, part in enumerate(self._parts):
            by_half[:, i] = np.einsum("gl,gl->g", self._inside[:, part], slopes[:, part])
            inside = slopes[common, part] - by_half[common, i, None]
            leans = self._inside_leans[i] @ slopes[:, part]
            rows = self._rows * self._mean_half[i]
            parts.append(self._inside_errors[common, part] * inside)
            parts.append(shared(leans, self._mean_inside[i], rows))
        mean: Array = np.einsum("gh,gh->g", self._half, by_half)
        parts.append(self._half_errors[common] * (by_half - mean[:, None])[common])
        leans = np.einsum("gh,gh->h", self._half_leans, by_half)
        return mean, [*parts, shared(leans, self._mean_half, self._rows)]


def leaning(counts: Array, means: Array) -> tuple[Array, Array, Array]:
    """Chances of groups that lean on an average as ``strength`` says.

    counts : (g, c)     means : (c,) or (g, c)
    Returns the chances (g, c), the rows they rest on (g, 1), and the average's part in them (g, 1).
    """
    s = strength(counts, np.broadcast_to(means, counts.shape))
    rows = counts.sum(1, keepdims=True) + s
    return (counts + s * means) / rows, rows, s / rows


def shared(slopes: Array, chances: Array, rows: float) -> Array:
    """The parts that chances bring which all groups lean on, and which so many rows have shown."""
    parts: Array = np.sqrt(chances / (rows + 1)) * (slopes - slopes @ chances)
    return parts


class LabelTables:
    """Chances of each answer and level of confidence, by label, and their errors.

    counts : (K, K, L) float64, rows by truth, answer and level; K ≥ 2; may all be 0

    table : (K, K · L), the chance of each answer and level by label; all above 0, rows add up to 1
    shares : (K,) how often each label occurs
    """

    def __init__(self, counts: Array) -> None:
        k, _, n_levels = counts.shape
        self._own = np.arange(k), np.arange(k)
        self._wrong = ~np.eye(k, dtype=bool)
        misses = np.where(self._wrong[..., None], counts, 0.0)
        self._count_recall(counts.sum(2))
        self._count_confusion(misses.sum(2))
        more = (counts.sum((0, 1)) + 1 / n_levels) / (self._n + 1)
        mistaken = (1 - self._recall)[:, None] * self._confusion
        self._if_right = Levels(counts[self._own], self._recall, more)
        self._if_wrong = Levels(misses.reshape(k * k, -1), mistaken.ravel(), more)
        table = mistaken[..., None] * self._if_wrong.chances.reshape(k, k, -1)
        table[self._own] = self._recall[:, None] * self._if_right.chances
        self.table: Array = table.reshape(k, -1)

    def _count_recall(self, pairs: Array) -> None:
        rows, hits = pairs.sum(1), pairs[self._own]
        self._n = float(rows.sum())
        self.shares: Array = (rows + 1 / len(rows)) / (self._n + 1)
        self._mean_recall = float((hits.sum() + 1) / (self._n + 2))
        means = np.array([self._mean_recall, 1 - self._mean_recall])
        chances, held, leans = leaning(np.stack((hits, rows - hits), 1), means)
        self._recall, self._recall_rows, self._recall_leans = chances[:, 0], held[:, 0], leans[:, 0]

    def _count_confusion(self, misses: Array) -> None:
        k = len(misses)
        chances, rows, _ = leaning(misses.sum(0)[None], np.full(k, 1 / k))
        self._mistakes, self._mistake_rows = chances[0], float(rows[0, 0])
        self._others = np.where(self._wrong, self._mistakes / (1 - self._mistakes)[:, None], 0.0)
        self._confusion, rows, leans = leaning(misses, self._others)
        self._confusion_rows, self._confusion_leans = rows[:, 0], leans[:, 0]

    def spread(self, slopes: Array) -> Array:
        """The error that the counts bring into a figure, as independent parts.

        slopes : (K, K · L), the derivative of the figure by the table
        Returns a vector: its squared length is the variance of the figure, and the product of two
        such vectors the covariance of two figures.
        """
        k = len(slopes)
        if_right, right = self._if_right.spread(slopes.reshape(k, k, -1)[self._own])
        by_answer, wrong = self._if_wrong.spread(slopes.reshape(k * k, -1))
        by_answer = by_answer.reshape(k, k)
        if_wrong = np.einsum("ya,ya->y", self._confusion, by_answer)
        missing = 1 - self._recall
        recall = (if_right - if_wrong) * np.sqrt(self._recall * missing / (self._recall_rows + 1))
        mean = float(self._recall_leans @ (if_right - if_wrong))
        mean *= np.sqrt(self._mean_recall * (1 - self._mean_recall) / (self._n + 1))
        confusion = np.sqrt(self._confusion) * (by_answer - if_wrong[:, None])
        confusion *= (missing / np.sqrt(self._confusion_rows + 1))[:, None]
        centred = by_answer - np.einsum("ya,ya->y", self._others, by_answer)[:, None]
        leans = missing * self._confusion_leans / (1 - self._mistakes)
        mistakes = leans @ np.where(self._wrong, centred, 0.0)
        said = shared(mistakes, self._mistakes, self._mistake_rows)
        parts = (recall, np.array([mean]), confusion, said, *right, *wrong)
        return np.concatenate([part.ravel() for part in parts])
