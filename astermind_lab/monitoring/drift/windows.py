"""What the detectors share: when there is too little to compare, and chance that repeats."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from astermind_lab.monitoring.drift.finding import Finding

__all__ = ["LEAST", "generator", "insufficient", "too_little"]

LEAST = 10
"""Predictions that each window must have before anything is said."""


def insufficient(
    detector: str, measure: str, threshold: float, sizes: tuple[int, int], note: str
) -> Finding:
    """The answer where there is too little; sizes : of the baseline and of the current window."""
    return Finding(
        detector=detector,
        measure=measure,
        status="insufficient_data",
        baseline_n=sizes[0],
        current_n=sizes[1],
        threshold=threshold,
        note=note,
    )


def too_little(sizes: tuple[int, int], what: str, least: int = LEAST) -> str:
    """Why two windows are too small, or an empty text where they are not.

    >>> too_little((200, 3), "predictions")
    'needs at least 10 predictions in each window; the baseline has 200 and the current one 3'
    """
    if min(sizes) >= least:
        return ""
    return (
        f"needs at least {least} {what} in each window; "
        f"the baseline has {sizes[0]:,} and the current one {sizes[1]:,}"
    )


def generator(numbers: Iterable[int]) -> np.random.Generator:
    """Random numbers that depend on nothing but these whole numbers.

    >>> int(generator([3, 4]).integers(100)) == int(generator([3, 4]).integers(100))
    True
    """
    text = ",".join(map(str, numbers)).encode()
    return np.random.default_rng(int.from_bytes(blake2b(text, digest_size=16).digest()))
