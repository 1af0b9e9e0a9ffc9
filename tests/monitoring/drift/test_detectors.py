"""What holds for every detector: it never fails, and says the same of the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings

from astermind_lab.core.tally import Observation, Tally
from astermind_lab.monitoring.drift import confidence, inputs, labels, performance, separability
from astermind_lab.monitoring.drift.finding import Finding
from tests.monitoring.drift.filling import odd_tallies, of_features

ALL = [module.compare for module in (confidence, inputs, labels, performance, separability)]
SYMMETRIC = [confidence.compare, inputs.compare, labels.compare]
Compare = Callable[[Tally, Tally], Finding]


def check(found: Finding) -> None:
    if found.status == "ok":
        assert found.statistic is not None and np.isfinite(found.statistic)
        assert found.p_value is not None and 0 < found.p_value <= 1
    else:
        assert found.status == "insufficient_data" and found.note
        assert found.statistic is None and found.p_value is None


@given(odd_tallies, odd_tallies)
@settings(max_examples=150, deadline=None)
def test_any_two_tallies_can_be_compared(baseline: Tally, current: Tally) -> None:
    for compare in ALL:
        check(compare(baseline, current))
    for compare in SYMMETRIC:
        there, back = compare(baseline, current), compare(current, baseline)
        if there.status == back.status == "ok":
            assert there.statistic == pytest.approx(back.statistic, abs=1e-9)
            assert there.p_value == pytest.approx(back.p_value, rel=1e-6)
        assert there.status == back.status


def window(n: int, seed: int) -> Tally:
    """Predictions with everything that a detector may look at."""
    chance = np.random.default_rng(seed)
    tally = of_features(chance.normal(0, 30, (n, 4)), chance)
    rows = zip(chance.integers(0, 3, (n, 2)).tolist(), chance.random(n).tolist(), strict=True)
    counted = Tally.of(
        Observation(str(truth), str(answer), sure, None, 0) for (truth, answer), sure in rows
    )
    counted.features = tally.features
    return counted


@pytest.mark.parametrize("compare", ALL)
def test_the_same_windows_get_the_same_answer(compare: Compare) -> None:
    baseline, current = window(60, 1), window(40, 2)
    found = compare(baseline, current)
    check(found)
    assert found == compare(window(60, 1), window(40, 2))
    assert (found.baseline_n, found.current_n) == (60, 40)


@pytest.mark.parametrize("compare", ALL)
def test_a_window_has_not_drifted_from_itself(compare: Compare) -> None:
    found = compare(window(200, 3), window(200, 3))
    assert not found.large
    assert found.p_value is not None and found.p_value >= 0.5


@pytest.mark.parametrize("compare", ALL)
def test_little_is_too_little(compare: Compare) -> None:
    found = compare(window(100, 1), window(9, 2))
    check(found)
    assert found.status == "insufficient_data"
    assert "needs at least 10" in found.note and "9" in found.note
    check(compare(Tally(), Tally()))


@pytest.mark.parametrize("compare", ALL)
def test_the_threshold_decides_what_is_large(compare: Compare) -> None:
    baseline, current = window(60, 1), window(40, 2)
    statistic = compare(baseline, current).statistic
    assert statistic is not None
    found = compare(baseline, current, threshold=statistic - 0.01)  # type: ignore[call-arg]
    assert found.large and found.threshold == statistic - 0.01
    assert not compare(baseline, current, threshold=statistic).large  # type: ignore[call-arg]
