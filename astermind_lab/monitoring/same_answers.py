"""Whether two sets of predictions were answered alike: the same labels, the same confidence."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
from scipy.special import chdtrc

__all__ = ["Answers", "homogeneity", "same_answers"]

Answers = Iterable[tuple[str, int, int]]
"""(label said, level of confidence, predictions), in any order, also more than once."""

_EXPECTED = 5.0  # rows below which a category is too small for χ²


def same_answers(one: Answers, other: Answers) -> float:
    """The p-value of both having the same labels said and the same levels of confidence.

    >>> few, many = [("a", 7, 30), ("b", 2, 30)], [("a", 7, 300), ("b", 2, 300)]
    >>> same_answers(few, many), same_answers(few, [("a", 7, 90), ("b", 2, 10)]) < 1e-6
    (1.0, True)

    Two tests, corrected for being two (Bonferroni).
    """
    one, other = list(one), list(other)
    by_label = homogeneity(*(_added((said, n) for said, _, n in rows) for rows in (one, other)))
    by_level = homogeneity(*(_added((at, n) for _, at, n in rows) for rows in (one, other)))
    return min(1.0, 2 * by_label, 2 * by_level)


def _added(counts: Iterable[tuple[Hashable, int]]) -> dict[Hashable, int]:
    sums: dict[Hashable, int] = {}
    for key, n in counts:
        sums[key] = sums.get(key, 0) + n
    return sums


def homogeneity(one: Mapping[Hashable, int], other: Mapping[Hashable, int]) -> float:
    """The p-value of Pearson's test that two sets of counts have the same shares.

    Categories that expect fewer than five in either set are counted as one. Where that leaves
    nothing to compare, or a set is empty, the answer is 1.

    >>> round(homogeneity({"a": 30, "b": 10}, {"a": 20, "b": 20}), 4)
    0.0209
    """
    counts = np.array([[c.get(key, 0) for c in (one, other)] for key in {**one, **other}], float)
    if not counts.size or not counts.sum(0).all():
        return 1.0
    shares = counts.sum(0) / counts.sum()
    small = counts.sum(1) * shares.min() < _EXPECTED
    counts = np.vstack((counts[~small], counts[small].sum(0)))
    counts = counts[counts.sum(1) > 0]
    if len(counts) < 2:
        return 1.0
    expected = np.outer(counts.sum(1), shares)
    return float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum()))
