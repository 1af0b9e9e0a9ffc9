"""Decay of the accuracy: valid however often one looks, and quick to see what matters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom

from astermind_lab.monitoring.drift import performance
from tests.monitoring.drift.filling import of_answers


@pytest.mark.parametrize(("right", "wrong", "p0"), [(8, 4, 0.8), (30, 2, 0.9), (3, 9, 0.2)])
def test_the_bet_is_the_integral_over_lower_accuracies(right: int, wrong: int, p0: float) -> None:
    weights = beta(20 * p0, 20 * (1 - p0))

    def ratio(p: float) -> float:
        return float(weights.pdf(p) * (p / p0) ** right * ((1 - p) / (1 - p0)) ** wrong)

    expected = quad(ratio, 0, p0)[0] / weights.cdf(p0)
    assert np.exp(performance.log_bet(right, wrong, np.array([p0]))[0]) == pytest.approx(expected)


@pytest.mark.parametrize("p", [0.8, 0.85])
def test_the_bet_does_not_grow_on_average_at_an_accuracy_that_is_no_lower(p: float) -> None:
    n = 60
    right = np.arange(n + 1)
    bets = [performance.log_bet(int(k), n - int(k), np.array([0.8]))[0] for k in right]
    assert (binom.pmf(right, n, p) * np.exp(bets)).sum() <= 1 + 1e-9


def test_the_p_value_is_that_of_the_hardest_accuracy() -> None:
    for (k, n), (s, m) in (
        ((90, 100), (70, 100)),
        ((18, 20), (1500, 2000)),
        ((9000, 10_000), (8700, 10_000)),
        ((900_000, 10**6), (897_000, 10**6)),
        ((10, 10), (990_000, 10**6)),
    ):
        grid = np.linspace(0, 1, 200_002)[1:-1]
        with np.errstate(divide="ignore"):
            logs = np.log(binom.sf(k - 1, n, grid)) - performance.log_bet(s, m - s, grid)
        worst = min(logs.max(), 0.0)
        found = performance.p_value((k, n), (s, m))
        assert found == pytest.approx(np.exp(worst) * (1 - worst), rel=0.02)


@pytest.mark.parametrize(("n", "accuracy"), [(50, 0.7), (1000, 0.9), (1000, 0.5)])
def test_looking_after_every_answer_raises_no_more_false_alarms(n: int, accuracy: float) -> None:
    chance = np.random.default_rng(n)
    streams, length, level = 400, 400, 0.1
    alarms = 0
    for _ in range(streams):
        before = int(chance.binomial(n, accuracy))
        right = (chance.random(length) < accuracy).cumsum()
        # a p-value can fall only where an answer was wrong
        looks = np.flatnonzero(np.diff(right, prepend=0) == 0)
        hopeful = looks[(right[looks] / (looks + 1) < before / n - 0.02) & (looks > 8)][::3]
        alarms += any(
            performance.p_value((before, n), (int(right[t]), int(t) + 1)) <= level
            for t in hopeful.tolist()
        )
    assert alarms / streams <= level


def test_a_drop_is_found_and_described() -> None:
    found = performance.compare(of_answers(950, 50), of_answers(170, 30))
    assert found.statistic == pytest.approx(0.1) and found.large
    assert found.p_value is not None and found.p_value < 0.01
    assert found.note == "accuracy fell from 95.0 % to 85.0 %"


def test_a_rise_is_no_decay() -> None:
    found = performance.compare(of_answers(80, 20), of_answers(90, 10))
    assert not found.large and found.p_value == 1.0 and "rose" in found.note


def test_a_million_answers_overflow_nothing() -> None:
    assert performance.p_value((10**6, 10**6), (10**6 - 10, 10**6)) < 0.2
    assert 0 < performance.p_value((900_000, 10**6), (100_000, 10**6)) < 1e-200
    assert performance.p_value((0, 10**6), (0, 10**6)) == 1.0
