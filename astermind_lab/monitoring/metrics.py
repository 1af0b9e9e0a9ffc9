"""Figures of a window from its tally, each with its interval and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from astermind_lab.core.metrics import ClassScores, class_scores, confusion
from astermind_lab.core.score_intervals import score_intervals
from astermind_lab.core.tally import Tally, confidence_of_bin, latency_of_bin
from astermind_lab.estimate import Estimate

__all__ = ["LATENCY_LEVELS", "Figures", "figures", "matrix_of", "quick_figures"]

LATENCY_LEVELS: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Figures:
    """What a window says about a model. None is a figure that nothing stands behind.

    accuracy : over the predictions whose truth is known     scores : likewise, by label
    intervals : of the other figures, by name: avg_confidence, avg_latency_ms, latency_p50, …,
        precision_macro, …, f1_weighted
    """

    n: int
    known: int
    accuracy: Estimate | None
    scores: ClassScores | None
    mean_confidence: float | None
    mean_latency_ms: float | None
    latency_ms: Mapping[str, float] | None
    per_label: Mapping[str, int]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)


def matrix_of(tally: Tally) -> dict[str, dict[str, int]]:
    """The predictions with a known truth as ``{truth: {predicted: count}}``, in label order."""
    pairs = ((t, p, n) for (t, p), n in tally.pairs.items() if t is not None)
    return confusion(sorted(pairs))


def figures(tally: Tally) -> Figures:
    """The figures of a tally.

    >>> from astermind_lab.core.tally import Observation
    >>> rows = [Observation("a", "ab"[i % 4 == 0], 0.75, 2.0, i) for i in range(40)]
    >>> figures(Tally.of(rows)).accuracy
    0.750 (0.598–0.858, n=40, feedback)
    """
    matrix = matrix_of(tally)
    scores = class_scores(matrix) if matrix else None
    quantiles = {
        name: tally.latency_quantile(level)
        for name, level in LATENCY_LEVELS.items()
        if tally.latencies
    }
    intervals = {
        f"latency_{name}": Estimate(value, low, high, tally.latencies, "logged")
        for name, (value, low, high) in quantiles.items()
    }
    intervals |= _means(tally)
    if scores is not None:
        for name, (low, high) in score_intervals(matrix).items():
            score, _, kind = name.partition("_")
            value = getattr(getattr(scores, f"{score}_means"), kind)
            intervals[name] = Estimate(value, low, high, scores.n, "feedback")
    return Figures(
        n=tally.n,
        known=tally.known,
        accuracy=_accuracy(scores),
        scores=scores,
        mean_confidence=tally.mean_confidence,
        mean_latency_ms=tally.mean_latency_ms,
        latency_ms={name: value for name, (value, _, _) in quantiles.items()} or None,
        per_label=_per_label(tally),
        intervals=intervals,
    )


def quick_figures(tally: Tally) -> Figures:
    """Counts, accuracy, means and quantiles without intervals and scores by label: for a series."""
    known = tally.known
    return Figures(
        n=tally.n,
        known=known,
        accuracy=Estimate.proportion(tally.correct, known, "feedback") if known else None,
        scores=None,
        mean_confidence=tally.mean_confidence,
        mean_latency_ms=tally.mean_latency_ms,
        latency_ms=_quantiles(tally) or None,
        per_label=_per_label(tally),
    )


def _per_label(tally: Tally) -> dict[str, int]:
    """Predictions by label, the most frequent first."""
    return dict(sorted(tally.predicted.items(), key=lambda item: (-item[1], item[0])))


def _quantiles(tally: Tally) -> dict[str, float]:
    if not tally.latencies:
        return {}
    return {name: tally.latency_quantile(level)[0] for name, level in LATENCY_LEVELS.items()}


def _accuracy(scores: ClassScores | None) -> Estimate | None:
    return None if scores is None else Estimate.proportion(scores.correct, scores.n, "feedback")


def _means(tally: Tally) -> dict[str, Estimate]:
    """Intervals of the mean confidence and the mean latency; their spread is read off the bins."""
    found = {}
    if tally.mean_confidence is not None:
        mean, n = tally.mean_confidence, tally.n
        bins = {confidence_of_bin(b): counts[0] for b, counts in tally.confidence.items()}
        spread = _spread(bins, mean, n)
        low, high = max(0.0, mean - spread), min(1.0, mean + spread)
        found["avg_confidence"] = Estimate(mean, low, high, n, "logged")
    if tally.mean_latency_ms is not None:
        mean, n = tally.mean_latency_ms, tally.latencies
        spread = _spread({latency_of_bin(b): c for b, c in tally.latency.items()}, mean, n)
        found["avg_latency_ms"] = Estimate(
            mean, max(0.0, mean - spread), mean + spread, n, "logged"
        )
    return found


def _spread(counts: Mapping[float, int], mean: float, n: int) -> float:
    """Half the 95 % interval of a mean of n values, given how often each occurs."""
    squares = sum(count * (value - mean) ** 2 for value, count in counts.items())
    return 1.96 * math.sqrt(squares / max(n - 1, 1) / n)
