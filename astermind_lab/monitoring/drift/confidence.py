"""Drift of the confidence: is the model as sure of its answers as before?

The statistic is that of Kolmogorov and Smirnov: the largest gap between the two cumulative
distributions, looked at between the bins of the tally. Its p-value allows for the ties within bins.

Windows of up to some thousand predictions get an exact p-value: walk through the pooled predictions
in order, letting each belong to the current window or the baseline, and add up the probability of
all walks that stay within the gap. Of two walks with the same largest gap, that one counts as
further out whose gap lies further from the middle, where gaps are wide by nature. Without this
rule small windows would know but a few p-values, and be too careful.

For larger windows the walk is a Brownian bridge, looked at from time to time, and computed as one.

Source: Schröer & Trenkler 1995 (ties); Durbin 1973 (bridge and boundary).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, kolmogorov

from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift.finding import Finding
from astermind_lab.monitoring.drift.windows import insufficient, too_little

__all__ = ["bridge_p_value", "compare", "distance", "exact_p_value"]

Counts = NDArray[np.int64]
Floats = NDArray[np.floating]

DETECTOR, MEASURE = "confidence", "Kolmogorov-Smirnov distance of the confidences"
_SMALLEST = 1e-9  # smaller p-values are not told apart while they come from sums
_EXACT = 3000  # predictions in a window, by their harmonic mean, up to which walks are counted
_GROUPS, _LATTICE = 200, 100  # looks at the Brownian bridge, and heights on each side of it
_FAR = 3.0  # bounds from where on it makes no difference whether one looks now and then or always


def compare(baseline: Tally, current: Tally, *, threshold: float = 0.1) -> Finding:
    """Compare the confidences of two windows.

    >>> from astermind_lab.core.tally import Observation
    >>> def window(*confidences):
    ...     return Tally.of(Observation(None, "a", c, None, 0) for c in confidences)
    >>> surer = window(*(0.9 + i / 1000 for i in range(20)))
    >>> found = compare(surer, window(*(0.8 + i / 100 for i in range(20))))
    >>> found.statistic, round(found.p_value, 5), found.note
    (0.5, 0.00276, 'mean confidence fell from 0.909 to 0.895')
    """
    bins = sorted(baseline.confidence.keys() | current.confidence.keys())
    a, b = _counts(baseline, bins), _counts(current, bins)
    sizes = int(a.sum()), int(b.sum())
    if note := too_little(sizes, "predictions"):
        return insufficient(DETECTOR, MEASURE, threshold, sizes, note)
    held = a + b > 0
    a, b = a[held], b[held]
    exact = sizes[0] * sizes[1] / sum(sizes) <= _EXACT / 2
    return Finding(
        detector=DETECTOR,
        measure=MEASURE,
        status="ok",
        baseline_n=sizes[0],
        current_n=sizes[1],
        threshold=threshold,
        statistic=distance(a, b),
        p_value=exact_p_value(a, b) if exact else bridge_p_value(a, b),
        note=_note(baseline.mean_confidence, current.mean_confidence),
    )


def distance(a: Counts, b: Counts) -> float:
    """The largest gap between two cumulative distributions; a, b : (k,) counts of ordered bins."""
    return float(np.abs(a.cumsum() / a.sum() - b.cumsum() / b.sum()).max())


def exact_p_value(a: Counts, b: Counts) -> float:
    """How often chance gives such a gap, given the pooled counts; a, b : (k,), none empty in both.

    A walk is at height i after t of the N pooled predictions when i of them are of the smaller
    window, which has n; its gap is |i N - t n|, up to a constant.
    """
    a, b = (a, b) if a.sum() <= b.sum() else (b, a)
    both = a + b
    n, total = int(a.sum()), int(both.sum())
    times = both.cumsum()
    gaps = np.abs(a.cumsum() * total - times * n)
    largest = int(gaps.max())
    if largest == 0:
        return 1.0
    places = np.abs(2 * times - total)
    bounds = largest - (places >= places[gaps == largest].max())  # of the gaps that are less
    steps = _binomials(np.unique(both), n / total)
    low, walks = 0, np.ones(1)  # probabilities of the heights from low on
    for count, time, bound in zip(both.tolist(), times.tolist(), bounds.tolist(), strict=True):
        least, step = steps[count]
        walks, low = np.convolve(walks, step), low + least
        start = max(-((bound - time * n) // total), low)  # rounded up
        walks, low = walks[start - low : max((time * n + bound) // total + 1 - low, 0)], start
        if not walks.size:
            return 1.0
    return min(max(1 - float(walks[n - low]) / _reached(n, total), _SMALLEST), 1.0)


def _binomials(counts: Counts, share: float) -> dict[int, tuple[int, Floats]]:
    """Of each number of steps the least height worth a thought, and the probabilities from there.

    counts : (k,), different     share : how probable a step up is
    """
    reach = 9 * np.sqrt(counts * share * (1 - share)) + 20
    first = np.maximum(np.floor(counts * share - reach), 0).astype(np.int64)
    last = np.minimum(np.ceil(counts * share + reach), counts).astype(np.int64)
    lengths = last - first + 1  # all of them one after the other, because there are hundreds
    starts = np.cumsum(lengths) - lengths
    ups = np.arange(lengths.sum()) + np.repeat(first - starts, lengths)
    downs = np.repeat(counts, lengths) - ups
    logs = ups * math.log(share / (1 - share)) - gammaln(ups + 1) - gammaln(downs + 1)
    chances = np.exp(logs - np.repeat(np.maximum.reduceat(logs, starts), lengths))
    chances /= np.repeat(np.add.reduceat(chances, starts), lengths)
    parts = np.split(chances, starts[1:])
    return dict(zip(counts.tolist(), zip(first.tolist(), parts, strict=True), strict=True))


def _reached(n: int, total: int) -> float:
    """How probable it is that exactly n of all steps go up, each with probability n / total."""
    ends = n * math.log(n / total) + (total - n) * math.log1p(-n / total)
    return math.exp(math.log(math.comb(total, n)) + ends)


def bridge_p_value(a: Counts, b: Counts) -> float:
    """The same for large windows; bins are joined until each group holds its share of the pool."""
    times = _looks((a + b).cumsum())
    first, second = int(a.sum()), int(b.sum())
    gap = np.abs(a.cumsum()[times] / first - b.cumsum()[times] / second).max()
    root = math.sqrt(first / (first + second) * second)
    bound = float(gap) * root - 0.5 / root  # heights are whole numbers: half a step
    if bound <= 0:
        return 1.0
    if bound > _FAR:
        return max(float(kolmogorov(bound)), 1e-300)
    shares = (a + b).cumsum()[times] / (first + second)
    spans = np.diff(shares, prepend=0.0).tolist()
    width = bound / _LATTICE
    heights = (np.arange(2 * _LATTICE) + 0.5) * width - bound
    inside = _normal(heights, spans[0])
    for span in spans[1:-1]:
        reach = min(math.ceil(7 * math.sqrt(span) / width), 2 * _LATTICE)
        step = _normal(np.arange(-reach, reach + 1) * width, span) * width
        inside = np.convolve(inside, step)[reach : reach + 2 * _LATTICE]
    stayed = (inside * _normal(heights, spans[-1])).sum() * width * math.sqrt(2 * math.pi)
    return min(max(1 - float(stayed), 0.0) + _SMALLEST, 1.0)


def _looks(times: Counts) -> Counts:
    """Which bins end a group, so that every group has a share of 1 / GROUPS of the pool."""
    least = times[-1] / _GROUPS
    ends, last = [], 0
    for place, time in enumerate(times.tolist()):
        if time - last >= least:
            ends.append(place)
            last = time
    ends[-1] = len(times) - 1
    return np.array(ends, np.int64)


def _normal(values: Floats, variance: float) -> Floats:
    return np.asarray(np.exp(values**2 / (-2 * variance)) / math.sqrt(2 * math.pi * variance))


def _counts(window: Tally, bins: Sequence[int]) -> Counts:
    empty = [0, 0, 0]
    return np.array([max(window.confidence.get(place, empty)[0], 0) for place in bins], np.int64)


def _note(before: float | None, after: float | None) -> str:
    if before is None or after is None or round(before, 3) == round(after, 3):
        return ""
    moved = "rose" if after > before else "fell"
    return f"mean confidence {moved} from {before:.3f} to {after:.3f}"
