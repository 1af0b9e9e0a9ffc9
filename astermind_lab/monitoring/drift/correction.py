"""Several detectors look at the same windows: p-values that allow for it.

Source: Benjamini & Hochberg 1995.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["adjusted"]


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values by the method of Benjamini and Hochberg, in the order given.

    Of those at most α, a share of α is false at most, on average. None is not counted: a detector
    that had too little to go by.

    >>> adjusted([0.01, None, 0.04, 0.03])
    [0.03, None, 0.04, 0.04]
    """
    ranked = sorted(((p, i) for i, p in enumerate(p_values) if p is not None), reverse=True)
    result: list[float | None] = [None] * len(p_values)
    lowest = 1.0
    for above, (p, place) in enumerate(ranked):
        lowest = min(lowest, p * len(ranked) / (len(ranked) - above))
        result[place] = lowest
    return result
