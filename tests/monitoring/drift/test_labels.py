"""Drift of the labels, against SciPy and against shuffling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency

from astermind_lab.monitoring.drift import labels
from tests.monitoring.drift.filling import of_labels

counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=9)


def zipf(k: int) -> np.ndarray:
    shares = 1 / np.arange(1, k + 1)
    return shares / shares.sum()


@given(counts)
def test_the_statistics_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs).T
    if not (a.any() and b.any()):
        return
    assert labels.jensen_shannon(a, b) == pytest.approx(jensenshannon(a, b) ** 2, abs=1e-9)
    seen = a + b > 0
    table = np.stack((a, b))[:, seen]
    for ours, name in ((labels.pearson, "pearson"), (labels.likelihood_ratio, "log-likelihood")):
        expected = chi2_contingency(table, correction=False, lambda_=name).statistic
        assert ours(a, b) == pytest.approx(expected, abs=1e-8)


def test_the_p_value_of_large_counts_is_that_of_scipy() -> None:
    chance = np.random.default_rng(0)
    for na, nb in ((500, 700), (5_000, 400), (10**6, 10**6)):
        a, b = chance.multinomial(na, zipf(6)), chance.multinomial(nb, zipf(6))
        expected = chi2_contingency((a, b)).pvalue
        assert labels.p_value(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("na", "nb", "k"), [(20, 20, 8), (300, 25, 30), (2000, 2000, 60)])
def test_rare_labels_are_judged_as_by_shuffling(na: int, nb: int, k: int) -> None:
    chance = np.random.default_rng(2)
    a, b = chance.multinomial(na, zipf(k)), chance.multinomial(nb, zipf(k))
    both = a + b
    drawn = chance.multivariate_hypergeometric(both, na, size=4000)
    squares = labels.pearson(drawn, both - drawn)
    ratios = labels.likelihood_ratio(drawn, both - drawn)
    expected = labels._better_of(
        np.append(squares, labels.pearson(a, b)), np.append(ratios, labels.likelihood_ratio(a, b))
    )
    assert labels.p_value(a, b) == pytest.approx(expected, abs=0.04)


def test_two_labels_lie_between_both_ways_of_scipy() -> None:
    a, b = np.array([17, 3]), np.array([9, 11])
    p = labels.p_value(a, b)
    assert chi2_contingency((a, b), correction=False).pvalue * 0.8 < p
    assert p < chi2_contingency((a, b)).pvalue


def test_without_drift_few_windows_are_found_different() -> None:
    chance = np.random.default_rng(5)
    draws = [
        labels.p_value(chance.multinomial(40, zipf(20)), chance.multinomial(20, zipf(20)))
        for _ in range(600)
    ]
    for level in (0.05, 0.1):
        assert np.mean(np.array(draws) <= level) < level + 0.03


def test_a_label_that_is_new_is_found_and_named() -> None:
    found = labels.compare(of_labels({"ham": 90, "spam": 30}), of_labels({"ham": 30, "scam": 20}))
    assert found.large and found.p_value is not None and found.p_value < 0.001
    assert "scam rose from 0.0 % to 40.0 %" in found.note
    assert found.note.startswith("scam") and "spam fell from 25.0 % to 0.0 %" in found.note


def test_one_label_cannot_drift() -> None:
    found = labels.compare(of_labels({"ham": 900}), of_labels({"ham": 30}))
    assert (found.statistic, found.p_value, found.note) == (0.0, 1.0, "")


def test_a_million_predictions_with_rare_labels_among_them() -> None:
    chance = np.random.default_rng(7)
    shares = np.append(zipf(20), [2e-6, 5e-6])
    a, b = (chance.multinomial(10**6, shares / shares.sum()) for _ in range(2))
    assert labels.p_value(a, b) > 0.001
    b[-1] += 60
    assert labels.p_value(a, b) < 0.001
