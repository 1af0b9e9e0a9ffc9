"""Several detectors at once, and what they say together.

A detector raises its hand if its statistic is past its threshold and chance does not explain it.
Of several that are asked at once one would be past it by chance too often, so their p-values are
adjusted first: where nothing drifts, any of them raises its hand in at most α of the cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift import (
    confidence,
    inputs,
    labels,
    performance,
    separability,
)
from astermind_lab.monitoring.drift.correction import adjusted
from astermind_lab.monitoring.drift.finding import Finding

__all__ = ["ALPHA", "DETECTORS", "THRESHOLDS", "Judged", "compare_windows", "judge"]

ALPHA = 0.05

DETECTORS: Mapping[str, Callable[..., Finding]] = {
    "labels": labels.compare,
    "confidence": confidence.compare,
    "inputs": inputs.compare,
    "separability": separability.compare,
    "performance": performance.compare,
}

THRESHOLDS: Mapping[str, float] = {
    name: (compare.__kwdefaults__ or {})["threshold"] for name, compare in DETECTORS.items()
}
"""From where on the statistic of each detector matters, if nothing else is asked for."""


@dataclass(frozen=True)
class Judged:
    """A finding and whether it is drift. adjusted : its p-value for being one of several"""

    finding: Finding
    adjusted: float | None
    drifted: bool


def compare_windows(
    baseline: Tally,
    current: Tally,
    detectors: Sequence[str] = tuple(DETECTORS),
    *,
    thresholds: Mapping[str, float] | None = None,
    alpha: float = ALPHA,
) -> list[Judged]:
    """What each detector says about two windows.

    detectors : names, keys of DETECTORS     thresholds : by detector, instead of their own
    alpha : how often any of them may be wrong where nothing drifts
    """
    limits = {**THRESHOLDS, **(thresholds or {})}
    found = [DETECTORS[name](baseline, current, threshold=limits[name]) for name in detectors]
    return judge(found, alpha)


def judge(found: Sequence[Finding], alpha: float) -> list[Judged]:
    """The findings with their verdicts."""
    return [
        Judged(one, p, one.status == "ok" and one.large and p is not None and p <= alpha)
        for one, p in zip(found, adjusted([one.p_value for one in found]), strict=True)
    ]
