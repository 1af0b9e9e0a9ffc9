"""Drift of the answers: are the predicted labels distributed as before?

The statistic is the Jensen-Shannon divergence, which says how large a change is, whatever the sizes
of the windows. It is a weak test, though, when they differ, so the p-value asks two others:
Pearson's X², which sees a label that grows, and the likelihood ratio G, which sees one that
vanishes. The better of both counts, and is compared with the better of both in resampled windows.

Given the counts of both windows together, each resampled window is a draw without replacement. Only
labels that are rare are drawn. Among the abundant ones both statistics are chi-squared, and both
are sums of a part between cells and a part within one, so that the abundant labels are one cell.

Source: Lin 1991 (divergence); Phipson & Smyth 2010 (resampling); Lancaster 1961 (mid-p);
Storer & Kim 1990 (two labels).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, xlogy

from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift.finding import Finding
from astermind_lab.monitoring.drift.windows import generator, insufficient, too_little

__all__ = ["compare", "jensen_shannon", "likelihood_ratio", "p_value", "pearson"]

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

DETECTOR, MEASURE = "labels", "Jensen-Shannon divergence of the predicted labels, in nats"
_ABUNDANT = 10.0  # expected in the smaller window, from where on chi-squared holds
_DRAWS, _FEWEST, _CELLS = 1999, 499, 120_000  # resampled windows, and numbers drawn for them
_MOST = 10**9  # predictions that NumPy can draw from


def compare(baseline: Tally, current: Tally, *, threshold: float = 0.1) -> Finding:
    """Compare the predicted labels of two windows.

    >>> from astermind_lab.core.tally import Observation
    >>> def window(ham, spam):
    ...     labels = ["ham"] * ham + ["spam"] * spam
    ...     return Tally.of(Observation(None, label, 0.9, None, 0) for label in labels)
    >>> found = compare(window(150, 50), window(60, 140))
    >>> round(found.statistic, 4), found.p_value < 1e-15, found.note
    (0.1053, True, 'ham fell from 75.0 % to 30.0 %, spam rose from 25.0 % to 70.0 %')
    """
    before, after = _counts(baseline), _counts(current)
    labels = sorted(before.keys() | after.keys())
    a = np.array([before.get(label, 0) for label in labels], np.int64)
    b = np.array([after.get(label, 0) for label in labels], np.int64)
    sizes = int(a.sum()), int(b.sum())
    if note := too_little(sizes, "predictions"):
        return insufficient(DETECTOR, MEASURE, threshold, sizes, note)
    return Finding(
        detector=DETECTOR,
        measure=MEASURE,
        status="ok",
        baseline_n=sizes[0],
        current_n=sizes[1],
        threshold=threshold,
        statistic=jensen_shannon(a, b),
        p_value=p_value(a, b),
        note=_note(labels, a / sizes[0], b / sizes[1]),
    )


def jensen_shannon(a: Counts, b: Counts) -> float:
    """The divergence of two distributions from the one half-way between them, 0 to ln 2 nats.

    a, b : (k,) counts of the same labels, neither all zero
    """
    p, q = a / a.sum(), b / b.sum()
    middle = (p + q) / 2
    entropies = -xlogy(middle, middle).sum() + (xlogy(p, p) + xlogy(q, q)).sum() / 2
    return float(min(max(entropies, 0.0), np.log(2)))


def pearson(a: Counts, b: Counts) -> Floats:
    """X² of independence.

    a, b : (..., k) counts of the same labels in two windows, neither empty
    """
    first, both = a.sum(-1, keepdims=True), a + b
    n = both.sum(-1, keepdims=True)
    excess = a - both * (first / n)
    squares = (excess**2 / np.maximum(both, 1)).sum(-1)
    return np.asarray(squares * (n / first * (n / (n - first)))[..., 0])


def likelihood_ratio(a: Counts, b: Counts) -> Floats:
    """G of independence: 2 n times the mutual information of label and window; arguments alike."""
    first, second = a.sum(-1), b.sum(-1)
    n = first + second
    cells = (_nats(a) + _nats(b) - _nats(a + b)).sum(-1)
    return np.asarray(2 * (cells - _nats(first) - _nats(second) + _nats(n)))


def p_value(a: Counts, b: Counts) -> float:
    """How often chance alone makes two windows as different as these; a, b : (k,) counts."""
    a, b = (a, b) if a.sum() <= b.sum() else (b, a)
    seen = a + b > 0
    a, b = a[seen], b[seen]
    if len(a) < 2:
        return 1.0
    both, n = a + b, int(a.sum())
    abundant = both * (n / both.sum()) >= _ABUNDANT
    if abundant.all() or both.sum() >= _MOST:
        return max(float(chdtrc(len(a) - 1, pearson(a, b))), 1e-300)
    chance = generator([n, *both.tolist()])
    if len(a) == 2:
        return _of_a_pair(chance, a, b)
    cells, inside = both, 0
    if abundant.sum() > 1:
        cells, inside = np.append(both[~abundant], both[abundant].sum()), int(abundant.sum()) - 1
    first = _draw(chance, cells, n)
    second = cells - first
    squares, ratios = pearson(first, second), likelihood_ratio(first, second)
    if inside:
        within = chance.chisquare(inside, len(first))
        total = both.sum()
        share = total**2 * (first[:, -1] / cells[-1]) * (second[:, -1] / cells[-1])
        squares = squares + within * (share / (n * (total - n)))
        ratios = ratios + within
    return _better_of(np.append(squares, pearson(a, b)), np.append(ratios, likelihood_ratio(a, b)))


def _of_a_pair(chance: np.random.Generator, a: Counts, b: Counts) -> float:
    """The p-value of X² for two labels, given about how frequent they are, not their counts.

    Given the counts, so few outcomes are left that small windows would hardly ever be different.
    The worst counts of three shares: the pooled one, and a standard error to each side.
    """
    total = int((a + b).sum())
    share = float((a + b)[0]) / total
    error = math.sqrt(share * (1 - share) / total)
    shares = np.clip([share - error, share, share + error], 0, 1)
    first, second = (chance.binomial(side.sum(), shares, (_DRAWS, 3)) for side in (a, b))
    drawn = pearson(
        np.stack((first, a.sum() - first), -1), np.stack((second, b.sum() - second), -1)
    )
    as_far = (drawn >= pearson(a, b) * (1 - 1e-9)).sum(0).max()
    return float((as_far + 1) / (_DRAWS + 1))


def _draw(chance: np.random.Generator, cells: Counts, n: int) -> Counts:
    """Counts of n drawn from the cells without replacement, again and again: (draws, cells)."""
    draws = min(_DRAWS, max(_FEWEST, _CELLS // len(cells)))
    quick = n < 8 * len(cells) and cells.sum() < 10**6
    return chance.multivariate_hypergeometric(
        cells, n, size=draws, method="count" if quick else "marginals"
    )


def _better_of(squares: Floats, ratios: Floats) -> float:
    """The mid-p-value of the last of (draws,) by X² or G, whichever finds it the more unusual.

    G has to find it twice as unusual: so X² loses next to nothing by the company.
    """
    ranks = np.minimum(_at_least(squares), 2 * _at_least(ratios))
    drawn, observed = ranks[:-1], ranks[-1]
    beaten = (drawn < observed).sum() + (drawn == observed).sum() / 2
    return float((beaten + 1) / len(ranks))


def _at_least(values: Floats) -> Counts:
    """How many of the values are at least as large as each."""
    rounded = np.round(values, 9)
    return len(values) - np.searchsorted(np.sort(rounded), rounded, "left")


def _nats(counts: Counts) -> Floats:
    """n ln n of each, looked up where many are asked for."""
    largest = int(counts.max(initial=0))
    if 4 * largest < counts.size:
        numbers = np.arange(largest + 1)
        return np.asarray(xlogy(numbers, numbers)[counts])
    return np.asarray(xlogy(counts, counts))


def _counts(window: Tally) -> dict[str, int]:
    return {label: n for label, n in window.predicted.items() if n > 0}


def _note(labels: list[str], before: Floats, after: Floats, most: int = 3) -> str:
    """The labels whose share moved most, in words."""
    moves = after - before
    order = np.argsort(-np.abs(moves), kind="stable")[:most]
    return ", ".join(
        f"{labels[i]} {'rose' if moves[i] > 0 else 'fell'} "
        f"from {100 * before[i]:.1f} % to {100 * after[i]:.1f} %"
        for i in order
        if abs(moves[i]) >= 0.0005
    )
