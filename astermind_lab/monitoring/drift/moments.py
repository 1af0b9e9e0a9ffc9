"""Means and covariance of the drift features of two windows, from their sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.tally import FeatureSums, Tally
from astermind_lab.monitoring.drift.windows import too_little

__all__ = ["Moments", "comparable", "most_shared"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """What two windows of features come to.

    n : (2, 2) inputs by window (baseline first) and fold     means : (2, 2, d) likewise
    scatter : (2, d, d), by window: products of the deviations from the means of the folds, added up
    """

    n: Floats
    means: Floats
    scatter: Floats

    @classmethod
    def of(cls, baseline: FeatureSums, current: FeatureSums) -> Moments:
        n = np.array([baseline.n, current.n], np.float64)
        sums = np.array([baseline.sums, current.sums], np.float64)
        means = sums / np.maximum(n, 1)[..., None]
        products = np.array([baseline.products, current.products], np.float64)
        return cls(n, means, products - np.einsum("wfi,wfj->wij", sums, means))


def comparable(baseline: Tally, current: Tally) -> tuple[Moments | None, tuple[int, int], str]:
    """The moments by the map that made most features in both windows; its sizes; a note.

    No moments are given where there is too little, and the note says why.
    """
    made_by = most_shared(baseline, current)
    if made_by is None:
        held = (_all(baseline), _all(current))
        if min(held) == 0:
            return None, held, too_little(held, "inputs with features")
        return None, held, "the windows were answered by models whose features cannot be compared"
    sizes = _size(baseline.features[made_by]), _size(current.features[made_by])
    if note := too_little(sizes, "inputs with the same features"):
        return None, sizes, note
    moments = Moments.of(baseline.features[made_by], current.features[made_by])
    variances = np.diagonal(moments.scatter, axis1=1, axis2=2)
    if (variances < 0).any() or not variances.any(1).all():
        return None, sizes, "the features of the inputs do not vary"
    return moments, sizes, _left_out(sizes, (_all(baseline), _all(current)))


def most_shared(baseline: Tally, current: Tally) -> str | None:
    """The map that made most features in both windows; None where they have none in common."""
    shared = {
        made_by: min(_size(sums), _size(current.features[made_by]))
        for made_by, sums in sorted(baseline.features.items())
        if made_by in current.features and sums.width == current.features[made_by].width > 0
    }
    return max(shared, key=lambda name: shared[name]) if shared else None


def _left_out(sizes: tuple[int, int], held: tuple[int, int]) -> str:
    if sizes == held:
        return ""
    return (
        f"rests on the {sizes[0]:,} of {held[0]:,} inputs of the baseline and "
        f"{sizes[1]:,} of {held[1]:,} of the current window that the same model looked at"
    )


def _size(sums: FeatureSums) -> int:
    return int(sums.n.sum()) if (sums.n >= 0).all() else 0


def _all(window: Tally) -> int:
    return sum(_size(sums) for sums in window.features.values())
