"""Drift of the confidence, against SciPy and against shuffling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import ks_2samp

from astermind_lab.monitoring.drift import confidence
from tests.monitoring.drift.filling import of_confidences

Counts = NDArray[np.int64]


def shuffled(a: Counts, b: Counts, draws: int, seed: int = 0) -> Counts:
    """Random windows of the size of a from the same predictions, (draws, k)."""
    chance = np.random.default_rng(seed)
    return chance.multivariate_hypergeometric(a + b, a.sum(), size=draws)


def unusual(a: Counts, both: Counts) -> list[tuple[float, int]]:
    """For each row of a: its largest gap, and how far out it lies."""
    times = both.cumsum()
    gaps = np.abs(a.cumsum(-1) * times[-1] - times * a.sum(-1, keepdims=True))
    places = np.abs(2 * times - times[-1])
    return [(row.max(), places[row == row.max()].max()) for row in gaps]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_distance_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array([pair for pair in pairs if sum(pair)] or [(1, 1)]).T
    if not (a.any() and b.any()):
        return
    places = np.arange(len(a))
    expected = ks_2samp(np.repeat(places, a), np.repeat(places, b), method="exact").statistic
    assert confidence.distance(a, b) == pytest.approx(expected, abs=1e-12)
    p = confidence.exact_p_value(a, b)
    assert 0 < p <= 1 and p == pytest.approx(confidence.exact_p_value(b, a), abs=1e-9)


@pytest.mark.parametrize(("n", "m", "k"), [(10, 10, 30), (20, 20, 4), (60, 15, 12), (200, 90, 40)])
def test_the_p_value_is_that_of_shuffling(n: int, m: int, k: int) -> None:
    chance = np.random.default_rng(n + k)
    a = np.bincount(chance.integers(0, k, n), minlength=k)
    b = np.bincount((k * chance.random(m) ** 1.2).astype(int), minlength=k)
    a, b = a[a + b > 0], b[a + b > 0]
    (observed,) = unusual(a[None], a + b)
    expected = np.mean([found >= observed for found in unusual(shuffled(a, b, 4000), a + b)])
    assert confidence.exact_p_value(a, b) == pytest.approx(expected, abs=0.03)


def test_without_ties_it_is_at_most_that_of_scipy() -> None:
    chance = np.random.default_rng(1)
    for n, m in ((20, 20), (50, 30), (12, 90)):
        x, y = chance.random(n), chance.random(m) ** 1.3
        order = np.argsort(np.concatenate((x, y)))
        a = (order < n).astype(np.int64)
        exact = ks_2samp(x, y, method="exact").pvalue
        assert 0.6 * exact < confidence.exact_p_value(a, 1 - a) <= exact + 1e-9


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.06])
def test_counting_walks_and_the_bridge_agree(shift: float) -> None:
    chance = np.random.default_rng(3)
    edges = np.sort(chance.random(80))
    n = 2500
    a = np.bincount(np.searchsorted(edges, chance.random(n)), minlength=81)
    b = np.bincount(np.searchsorted(edges, chance.random(n) ** (1 + shift)), minlength=81)
    exact, bridge = confidence.exact_p_value(a, b), confidence.bridge_p_value(a, b)
    assert bridge == pytest.approx(exact, rel=0.15) and bridge > 0.97 * exact


def test_a_bridge_looked_at_often_is_that_of_kolmogorov() -> None:
    n = 10**6
    a = np.full(1000, n // 1000)
    b = a.copy()
    b[:500] -= 2
    b[500:] += 2
    expected = ks_2samp(
        np.repeat(np.arange(1000), a), np.repeat(np.arange(1000), b), method="asymp"
    ).pvalue
    assert confidence.bridge_p_value(a, b) == pytest.approx(expected, rel=0.12)


def test_a_single_look_is_a_normal_test() -> None:
    a, b = np.array([50_000, 50_000]), np.array([50_500, 49_500])
    z = 0.005 / np.sqrt(0.25 * 2 / 100_000)
    assert confidence.bridge_p_value(a, b) == pytest.approx(2 * ndtr(-z), rel=0.03)


def test_without_drift_few_windows_are_found_different() -> None:
    chance = np.random.default_rng(4)
    draws = [
        confidence.compare(
            of_confidences(chance.beta(4, 1, 20)), of_confidences(chance.beta(4, 1, 20))
        ).p_value
        for _ in range(600)
    ]
    for level in (0.05, 0.1):
        assert level - 0.03 < np.mean(np.array(draws) <= level) < level + 0.03


def test_less_confidence_is_found_and_described() -> None:
    chance = np.random.default_rng(6)
    for n in (200, 20_000):
        found = confidence.compare(
            of_confidences(chance.beta(9, 1, n)), of_confidences(chance.beta(5, 1, n))
        )
        assert found.large and found.p_value is not None and found.p_value < 0.001
        assert found.note.startswith("mean confidence fell from ")
