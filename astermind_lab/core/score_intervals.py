"""Intervals for means of scores over labels, from a confusion matrix of counts.

A score is a smooth function of the cell shares, which are multinomial, so its variance follows from
its slopes (the delta method). The interval is Wilson's for a share with the same variance, which
stays inside [0, 1] and keeps a width where every case was right.

Source: Takahashi et al. 2022 (macro F1 by the delta method); Wilson 1927.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.metrics import class_scores
from astermind_lab.estimate import wilson

__all__ = ["score_intervals"]

Array = NDArray[np.float64]


def score_intervals(matrix: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[float, float]]:
    """95 % intervals of the macro and weighted means of precision, recall and F1.

    matrix : ``{truth: {predicted: count}}``
    Returns name → (low, high) for the names ``precision_macro``, …, ``f1_weighted``.
    Raises ValueError if there is not a single case.

    >>> found = score_intervals({"ham": {"ham": 80, "spam": 20}, "spam": {"spam": 90, "ham": 10}})
    >>> [round(x, 3) for x in found["f1_macro"]]
    [0.793, 0.893]
    """
    scores = class_scores(matrix)
    place = {label: number for number, label in enumerate(scores.labels)}
    cells = [(place[t], place[p], n) for t, row in matrix.items() for p, n in row.items() if n]
    truth, given, count = (np.array(column) for column in zip(*cells, strict=True))
    support = np.array(scores.support, float)
    said = np.bincount(given, count, len(place))
    right = (truth == given).astype(float)
    values = {
        "precision": (_filled(scores.precision), said, 0.0),
        "recall": (_filled(scores.recall), support, 1.0),
        "f1": (_filled(scores.f1), support + said, 0.5),
    }
    found = {}
    for name, (score, size, of_truth) in values.items():
        # Slope of the score of the cell's truth, and of its answer, where one more case falls
        # into the cell: precision looks at the answer only, recall at the truth only, F1 at both.
        shares = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        slopes = []
        for weights, own in ((np.full(len(score), 1 / len(score)), 0.0), (support / scores.n, 1.0)):
            part = weights * shares * (2 if name == "f1" else 1)
            by_truth, by_given = of_truth * part * score, (1 - of_truth) * part * score
            slope = right * part[truth] - by_truth[truth] - by_given[given]
            slopes.append(slope + own * score[truth] / scores.n)
        means = getattr(scores, f"{name}_means")
        for kind, slope in zip(("macro", "weighted"), slopes, strict=True):
            found[f"{name}_{kind}"] = _interval(getattr(means, kind), slope, count, scores.n)
    return found


def _filled(score: tuple[float | None, ...]) -> Array:
    return np.array([0.0 if one is None else one for one in score])


def _interval(value: float, slope: Array, count: Array, n: int) -> tuple[float, float]:
    """slope : by the count of each cell"""
    centre = (count @ slope) / n
    variance = float(count @ (slope - centre) ** 2)
    size = min(float(n), value * (1 - value) / variance) if variance > 0 else float(n)
    return wilson(value, size) if size > 0 else (0.0, 1.0)
