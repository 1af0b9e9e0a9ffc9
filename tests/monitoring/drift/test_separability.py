"""Telling the windows apart, against a discriminant from the rows and against the true area."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import ttest_ind

from astermind_lab.core.tally import FeatureSums, Tally
from astermind_lab.monitoring.drift import separability
from tests.monitoring.drift.filling import of_features

Floats = NDArray[np.float64]


def draw(n: int, chance: np.random.Generator, shift: float = 0.0, d: int = 8) -> Floats:
    spread = 30 * np.arange(1, d + 1) ** -0.7
    values = chance.standard_t(6, (n, d)) * spread
    values[:, -1] += shift * spread[-1]
    return np.clip(np.rint(values), -127, 127)


def compared(x: Floats, y: Floats, chance: np.random.Generator) -> tuple[float, float]:
    found = separability.compare(of_features(x, chance), of_features(y, chance))
    if found.status != "ok":  # by chance all are of one half
        return 0.5, 1.0
    assert found.statistic is not None and found.p_value is not None
    return found.statistic, found.p_value


def test_the_area_is_that_of_two_normal_distributions() -> None:
    chance = np.random.default_rng(0)
    x, y = (np.rint(chance.normal(0, 25, (20_000, 6))) for _ in range(2))
    y[:, 2] += 12
    area, p = compared(x, y, chance)
    assert area == pytest.approx(ndtr(12 / 25 / np.sqrt(2)), abs=0.01)
    assert p < 1e-12


def test_of_one_feature_it_is_students_test() -> None:
    chance = np.random.default_rng(1)
    x, y = np.rint(chance.normal(0, 30, (400, 1))), np.rint(chance.normal(9, 30, (300, 1)))
    sides = chance.integers(0, 2, 400), chance.integers(0, 2, 300)
    sums = [FeatureSums.of(v.astype(np.int8), s) for v, s in zip((x, y), sides, strict=True)]
    found = separability.compare(*(Tally(features={"map": s}) for s in sums))
    halves = [ttest_ind(y[sides[1] == i], x[sides[0] == i]).statistic[0] for i in (0, 1)]
    expected = ndtr(-np.mean(halves))
    assert found.p_value == pytest.approx(expected, rel=0.1)


def test_a_shift_where_variance_is_small_is_found() -> None:
    chance = np.random.default_rng(2)
    area, p = compared(draw(300, chance), draw(300, chance, 1.0), chance)
    assert area > 0.65 and p < 1e-6


@pytest.mark.parametrize(("n", "m", "d"), [(20, 20, 32), (100, 20, 16), (150, 150, 32)])
def test_without_drift_few_windows_are_found_different(n: int, m: int, d: int) -> None:
    chance = np.random.default_rng(n + d)
    draws = [compared(draw(n, chance, d=d), draw(m, chance, d=d), chance)[1] for _ in range(600)]
    for level in (0.05, 0.1):
        assert np.mean(np.array(draws) <= level) < level + 0.03


def test_each_half_needs_some_inputs() -> None:
    chance = np.random.default_rng(3)
    values = draw(40, chance)
    whole = of_features(values, chance)
    one_sided = Tally(features={"map": FeatureSums.of(values.astype(np.int8), np.zeros(40, int))})
    found = separability.compare(whole, one_sided)
    assert found.status == "insufficient_data" and "each half" in found.note
