"""Drift of the inputs, against shuffling and against a long simulation of the weighted sum."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from astermind_lab.core.tally import Tally
from astermind_lab.monitoring.drift import inputs
from tests.monitoring.drift.filling import of_features

Floats = NDArray[np.float64]
SPREAD = 30 * np.arange(1, 17) ** -0.7


def draw(n: int, seed: int, shift: float = 0.0) -> Floats:
    """Heavy-tailed clusters of very unequal variances, as whole numbers."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_t(4, (40, 16)) * SPREAD
    values = centres[chance.integers(0, 40, n)] + chance.standard_t(4, (n, 16)) * SPREAD / 2
    return np.clip(np.rint(values + shift * SPREAD), -127, 127)


def compared(x: Floats, y: Floats) -> tuple[float, float]:
    chance = np.random.default_rng(0)
    found = inputs.compare(of_features(x, chance), of_features(y, chance))
    assert found.statistic is not None and found.p_value is not None
    return found.statistic, found.p_value


def by_shuffling(x: Floats, y: Floats, draws: int = 2000) -> float:
    """Of the squared distance of the means by its mean as the windows themselves tell it."""
    pool, n, m = np.concatenate((x, y)), len(x), len(y)
    pool -= pool.mean(0)
    chosen = np.zeros((draws + 1, n + m))
    chosen[:, :n] = 1
    chosen[1:] = np.random.default_rng(1).permuted(chosen[1:], axis=1)
    first, second = chosen @ pool / n, (1 - chosen) @ pool / m
    lengths = (pool**2).sum(1)
    ours = (chosen @ lengths - n * (first**2).sum(1)) / (n - 1)
    theirs = ((1 - chosen) @ lengths - m * (second**2).sum(1)) / (m - 1)
    pooled = ((n - 1) * ours + (m - 1) * theirs) / (n + m - 2) * (1 / n + 1 / m)
    ratios = ((first - second) ** 2).sum(1) / (0.3 * (ours / n + theirs / m) + 0.7 * pooled)
    return float((ratios >= ratios[0] - 1e-9).mean())


@pytest.mark.parametrize(("n", "m"), [(20, 20), (200, 200), (400, 25)])
@pytest.mark.parametrize("shift", [0.0, 0.15, 0.3])
def test_the_p_value_is_that_of_shuffling(n: int, m: int, shift: float) -> None:
    x, y = draw(n, 1), draw(m, 2, shift)
    expected = by_shuffling(x, y)
    assert compared(x, y)[1] == pytest.approx(expected, abs=0.012 + 0.1 * expected)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("freedom", [38, 4000])
def test_the_p_value_is_that_of_a_weighted_sum(ratio: float, freedom: int) -> None:
    chance = np.random.default_rng(3)
    weights = SPREAD**2 / (SPREAD**2).sum()
    sums = chance.chisquare(1, (100_000, 16)) @ weights
    traces = chance.chisquare(freedom, (100_000, 16)) @ weights / freedom
    n = freedom / 2 + 1
    expected = float((sums > ratio * traces).mean())
    found = [
        inputs.p_value(
            ratio,
            np.array([np.cov(chance.normal(0, SPREAD, (int(n), 16)).T) for _ in range(2)]),
            np.array([n, n]),
        )
        for _ in range(20)
    ]
    assert np.mean(found) == pytest.approx(expected, abs=0.002 + 0.06 * expected)


def test_the_statistic_is_the_distance_of_the_means_by_the_spread() -> None:
    x, y = draw(5000, 3), draw(5000, 4, 0.4)
    pooled = (np.cov(x.T) + np.cov(y.T)) / 2
    gap = ((x.mean(0) - y.mean(0)) ** 2).sum() / np.trace(pooled)
    assert compared(x, y)[0] == pytest.approx(np.sqrt(gap - 2 / 5000), rel=1e-9)


def test_without_drift_few_windows_are_found_different() -> None:
    found = np.array([compared(draw(60, 2 * i), draw(20, 2 * i + 1))[1] for i in range(600)])
    for level in (0.05, 0.1):
        assert np.mean(found <= level) < level + 0.03


def test_only_features_of_the_same_model_are_compared() -> None:
    chance = np.random.default_rng(5)
    old, new = draw(300, 6), draw(100, 7)
    baseline = of_features(old, chance, "old")
    current = of_features(new, chance, "new")
    nothing = inputs.compare(baseline, current)
    assert nothing.status == "insufficient_data" and "cannot be compared" in nothing.note
    current.add(of_features(draw(50, 8), chance, "old"))
    some = inputs.compare(baseline, current)
    assert (some.baseline_n, some.current_n) == (300, 50)
    assert "the 300 of 300" in some.note and "50 of 150" in some.note


def test_inputs_that_never_vary_are_no_basis() -> None:
    chance = np.random.default_rng(0)
    same = of_features(np.ones((50, 3)), chance)
    found = inputs.compare(same, of_features(np.ones((50, 3)), chance))
    assert found.status == "insufficient_data" and "do not vary" in found.note
    assert inputs.compare(same, Tally()).status == "insufficient_data"
