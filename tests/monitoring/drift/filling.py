"""Tallies to compare: of counts, of confidences, of features; and any odd ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from astermind_lab.core.tally import FeatureSums, Tally, bin_of_confidence


def of_labels(counts: Mapping[str, int] | Sequence[int]) -> Tally:
    """So many predictions of each label, or of each of the labels 0, 1, 2, …"""
    named = counts if isinstance(counts, Mapping) else dict(enumerate(counts))
    return Tally(cells={(None, str(label), 0): int(n) for label, n in named.items() if n})


def of_confidences(values: NDArray[np.float64]) -> Tally:
    tally = Tally(cells={(None, "a", 0): len(values)}, confidence_sum=int(values.sum() * 2**40))
    for value in values.tolist():
        tally.confidence.setdefault(bin_of_confidence(value), [0, 0, 0])[0] += 1
    return tally


def of_features(
    values: NDArray[np.float64], chance: np.random.Generator, made_by: str = "map"
) -> Tally:
    """Features rounded to whole numbers, in two folds by chance."""
    whole = np.clip(np.rint(values), -127, 127).astype(np.int8)
    sums = FeatureSums.of(whole, chance.integers(0, 2, len(whole)))
    return Tally(cells={(None, "a", 0): len(whole)}, features={made_by: sums})


def of_answers(right: int, wrong: int) -> Tally:
    return Tally(cells={("a", "a", 0): right, ("b", "a", 0): wrong})


@st.composite
def odd_sums(draw: st.DrawFn) -> FeatureSums:
    """Sums of some features, or such as a faulty subtraction might leave."""
    width = draw(st.sampled_from([1, 2, 3]))
    n = draw(st.sampled_from([0, 1, 7, 20, 60]))
    seed = np.random.default_rng(draw(st.integers(0, 99)))
    values = seed.integers(-127, 128, (n, width)) * draw(st.sampled_from([0, 1]))
    sums = FeatureSums.of(values.astype(np.int8), seed.integers(0, 2, n))
    if draw(st.booleans()) and draw(st.booleans()):
        sums.n = sums.n - draw(st.integers(0, 20))
        sums.products = -sums.products
    return sums


labels = st.sampled_from(["a", "b", "c", "é"])
odd_counts = st.integers(-3, 40) | st.sampled_from([10**6, 10**12])
odd_tallies = st.builds(
    Tally,
    cells=st.dictionaries(
        st.tuples(st.none() | labels, labels, st.integers(0, 7)), odd_counts, max_size=8
    ),
    confidence=st.dictionaries(
        st.integers(383, 1664), st.lists(odd_counts, min_size=3, max_size=3), max_size=8
    ),
    confidence_sum=st.integers(-(2**50), 2**50),
    features=st.dictionaries(st.sampled_from(["one", "two"]), odd_sums(), max_size=2),
)
