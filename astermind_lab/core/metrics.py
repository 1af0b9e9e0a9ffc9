"""Figures from a confusion matrix of counts.

Definitions as in scikit-learn with ``zero_division=0``: a score whose denominator is 0 counts as 0
in the means. Per label it is None instead, because there is nothing it could rest on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ClassScores", "Means", "class_scores", "confusion", "quantiles"]


@dataclass(frozen=True)
class Means:
    """The means of a score over the labels.

    macro : every label counts the same     weighted : by its number of true cases
    """

    macro: float
    weighted: float


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of each label, in the order of ``labels``, and their means.

    support : true cases of each label     n, correct : cases in all, and answered rightly
    """

    labels: tuple[str, ...]
    support: tuple[int, ...]
    n: int
    correct: int
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]
    precision_means: Means
    recall_means: Means
    f1_means: Means


def confusion(counts: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    """Counts of (truth, predicted) as ``{truth: {predicted: count}}``, without zeros.

    >>> confusion([("ham", "ham", 3), ("ham", "spam", 1), ("ham", "ham", 2)])
    {'ham': {'ham': 5, 'spam': 1}}
    """
    matrix: dict[str, dict[str, int]] = {}
    for truth, predicted, n in counts:
        if n:
            row = matrix.setdefault(truth, {})
            row[predicted] = row.get(predicted, 0) + n
    return matrix


def class_scores(matrix: Mapping[str, Mapping[str, int]]) -> ClassScores:
    """Scores of every label that is a truth or a prediction in ``{truth: {predicted: count}}``.

    >>> scores = class_scores({"ham": {"ham": 8, "spam": 2}, "spam": {"spam": 9, "ham": 1}})
    >>> scores.labels, scores.recall, round(scores.f1_means.macro, 4)
    (('ham', 'spam'), (0.8, 0.9), 0.8496)

    Raises ValueError if there is not a single case.
    """
    labels = tuple(sorted({*matrix, *(predicted for row in matrix.values() for predicted in row)}))
    support = tuple(sum(matrix.get(label, {}).values()) for label in labels)
    n = sum(support)
    if n == 0:
        raise ValueError("no case to score")
    predicted = dict.fromkeys(labels, 0)
    for row in matrix.values():
        for label, count in row.items():
            predicted[label] += count
    hits = tuple(matrix.get(label, {}).get(label, 0) for label in labels)
    precision = tuple(_ratio(h, predicted[label]) for h, label in zip(hits, labels, strict=True))
    recall = tuple(_ratio(h, s) for h, s in zip(hits, support, strict=True))
    f1 = tuple(
        _ratio(2 * h, s + predicted[label])
        for h, s, label in zip(hits, support, labels, strict=True)
    )
    return ClassScores(
        labels=labels,
        support=support,
        n=n,
        correct=sum(hits),
        precision=precision,
        recall=recall,
        f1=f1,
        precision_means=_means(precision, support),
        recall_means=_means(recall, support),
        f1_means=_means(f1, support),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _means(scores: Sequence[float | None], support: Sequence[int]) -> Means:
    values = [score or 0.0 for score in scores]
    weighted = sum(v * s for v, s in zip(values, support, strict=True)) / sum(support)
    return Means(sum(values) / len(values), weighted)


def quantiles(values: Sequence[float], levels: Sequence[float]) -> tuple[float, ...]:
    """Quantiles with linear interpolation between neighbours, as NumPy's default.

    >>> quantiles([4.0, 1.0, 2.0, 3.0], [0.5, 1.0])
    (2.5, 4.0)

    Raises ValueError if there is no value.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no value to take a quantile of")
    result = []
    for level in levels:
        place = level * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        result.append(ordered[below] + (ordered[above] - ordered[below]) * (place - below))
    return tuple(result)
