"""Intervals of means of scores, against a bootstrap and by their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from astermind_lab.core.score_intervals import score_intervals

NAMES = ("precision", "recall", "f1")


def matrix_of(counts: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    return {
        f"{i:02}": {f"{j:02}": int(n) for j, n in enumerate(row)} for i, row in enumerate(counts)
    }


def scores(counts: NDArray[np.int64]) -> dict[str, float]:
    k = len(counts)
    truth = np.repeat(np.repeat(np.arange(k), k), counts.ravel())
    given = np.repeat(np.tile(np.arange(k), k), counts.ravel())
    found = {}
    for kind in ("macro", "weighted"):
        values = precision_recall_fscore_support(truth, given, average=kind, zero_division=0)
        found |= {f"{name}_{kind}": value for name, value in zip(NAMES, values[:3], strict=True)}
    return found


def shares(k: int, rng: np.random.Generator) -> NDArray[np.float64]:
    p = rng.dirichlet(np.full(k, 0.3), size=k) + 3 * np.eye(k)
    p *= rng.dirichlet(np.full(k, 2.0))[:, None]
    return np.asarray(p / p.sum())


@pytest.mark.parametrize("k", [2, 6])
def test_the_width_is_that_of_a_bootstrap(k: int) -> None:
    rng = np.random.default_rng(k)
    p = shares(k, rng)
    counts = rng.multinomial(2_000, p.ravel()).reshape(k, k)
    again = [
        scores(rng.multinomial(2_000, counts.ravel() / 2_000).reshape(k, k)) for _ in range(300)
    ]
    for name, (low, high) in score_intervals(matrix_of(counts)).items():
        assert (high - low) / 3.92 == pytest.approx(np.std([one[name] for one in again]), rel=0.15)
        assert low < scores(counts)[name] < high


def test_it_covers_what_it_says() -> None:
    rng = np.random.default_rng(0)
    p = shares(4, rng)
    truth = scores(np.rint(p * 10**6).astype(np.int64) // 10)
    covered = {name: 0 for name in truth}
    for _ in range(300):
        counts = rng.multinomial(150, p.ravel()).reshape(4, 4)
        for name, (low, high) in score_intervals(matrix_of(counts)).items():
            covered[name] += low <= truth[name] <= high
    assert all(n / 300 >= 0.91 for n in covered.values()), covered


def test_all_right_is_no_certainty() -> None:
    low, high = score_intervals({"a": {"a": 10}, "b": {"b": 10}})["f1_macro"]
    assert 0.7 < low < 0.95 and high == 1.0
    assert score_intervals({"a": {"b": 5}})["precision_macro"][0] == 0.0


def test_nothing_to_score() -> None:
    with pytest.raises(ValueError, match="no case"):
        score_intervals({})
