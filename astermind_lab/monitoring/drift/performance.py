"""Decay of the accuracy, from feedback: is the model right less often than it was?

The current window may be looked at after every single answer: the p-value holds at all times at
once. For an accuracy p₀ that the model might have had in the baseline, two things speak against
"still at least p₀":

- the baseline itself, if p₀ is too low for it: the exact binomial P, of so many right answers;
- the current window, if p₀ is too high for it: the bet E, which starts at 1, multiplies with each
  answer by its probability under lower accuracies over that under p₀, and at an accuracy of p₀ or
  more ever reaches x with a probability of at most 1 / x.

The two are independent, so that P / E falls to x at any time with a probability of at most
x (1 - ln x), as in Fisher's combination of p-values. The p-value is that of the p₀ which is the
hardest to rule out.

Source: Ville 1939; Robbins 1970 (mixtures); Fisher 1932; Ramdas, Grünwald, Vovk & Shafer 2023.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, xlog1py, xlogy

from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift.finding import Finding
from astermind_lab.monitoring.drift.windows import insufficient, too_little

__all__ = ["compare", "log_bet", "p_value"]

Floats = NDArray[np.float64]

DETECTOR, MEASURE = "performance", "drop in accuracy, as a share of the answers"
_PSEUDO = 20.0  # cases that the bet on a lower accuracy is worth: near p₀, some points below it


def compare(baseline: Tally, current: Tally, *, threshold: float = 0.02) -> Finding:
    """Compare the accuracy of two windows, as far as the truth is known.

    >>> from astermind_lab.core.tally import Observation
    >>> def window(right, wrong):
    ...     truths = ["a"] * right + ["b"] * wrong
    ...     return Tally.of(Observation(truth, "a", 0.9, None, 0) for truth in truths)
    >>> found = compare(window(900, 100), window(240, 60))
    >>> round(found.statistic, 3), round(found.p_value, 5), found.note
    (0.1, 0.00042, 'accuracy fell from 90.0 % to 80.0 %')
    """
    sizes = baseline.known, current.known
    if note := too_little(sizes, "predictions with a known truth"):
        return insufficient(DETECTOR, MEASURE, threshold, sizes, note)
    before, after = (
        min(max(window.correct, 0), n) for window, n in zip((baseline, current), sizes, strict=True)
    )
    was, now = before / sizes[0], after / sizes[1]
    moved = "fell" if now < was else "rose"
    return Finding(
        detector=DETECTOR,
        measure=MEASURE,
        status="ok",
        baseline_n=sizes[0],
        current_n=sizes[1],
        threshold=threshold,
        statistic=was - now,
        p_value=p_value((before, sizes[0]), (after, sizes[1])),
        note=f"accuracy {moved} from {100 * was:.1f} % to {100 * now:.1f} %" if was != now else "",
    )


def p_value(baseline: tuple[int, int], current: tuple[int, int]) -> float:
    """The p-value of "no less accurate now", valid at all times; each window: right answers, of n.

    >>> round(p_value((450, 500), (400, 500)), 4)
    0.0003
    """
    (before, n), (after, m) = baseline, current
    if after * n >= before * m:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(4):
        edges = np.linspace(low, high, 66)
        accuracies = edges[1:-1]
        logs = _log_tail(before, n, accuracies) - log_bet(after, m - after, accuracies)
        best = int(logs.argmax())
        low, high = float(edges[best]), float(edges[best + 2])
    worst = float(logs[best])
    return max(math.exp(worst) * (1 - worst), 1e-300) if worst < 0 else 1.0


def _log_tail(right: int, n: int, accuracies: Floats) -> Floats:
    """ln P of so many right answers or more; of just so many where P itself is too small."""
    with np.errstate(divide="ignore"):
        tail = np.log(betainc(right, n - right + 1, accuracies))
    just = xlogy(right, accuracies) + xlog1py(n - right, -accuracies)
    ways = -betaln(right + 1, n - right + 1) - math.log(n + 1)
    return np.asarray(np.maximum(tail, just + ways), np.float64)


def log_bet(right: int, wrong: int, accuracies: Floats) -> Floats:
    """ln E after so many right and wrong answers, for each accuracy p₀ in (0, 1).

    The lower accuracies are weighted by a beta distribution with mean p₀, cut off there.
    """
    p = accuracies
    a, b = _PSEUDO * p, _PSEUDO * (1 - p)
    prior = betaln(a, b) + np.log(betainc(a, b, p))
    with np.errstate(divide="ignore"):
        inside = betaln(right + a, wrong + b) + np.log(betainc(right + a, wrong + b, p))
    # the first term of the series of the integral, where the integral itself is too small
    least = xlogy(right + a, p) + xlog1py(wrong + b, -p) - np.log(right + a)
    inside = np.maximum(inside, least)
    return np.asarray(inside - prior - xlogy(right, p) - xlog1py(wrong, -p), np.float64)
