import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.core.readout import RIDGE_PATH, RidgeReadout, scatter_and_moments
from astermind_lab.core.ridge_path import FINE_PATH, RidgePath, downhill
from astermind_lab.errors import InvalidInput

CLASSES = 4


def rows(n: int, p: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    hidden = np.hstack((np.ones((n, 1)), np.maximum(rng.standard_normal((n, p - 1)), 0)))
    return hidden, rng.integers(CLASSES, size=n), rng.uniform(0.5, 2, CLASSES)


def built(hidden, labels, class_weights, ridge: float = 1.0) -> RidgeReadout:
    readout = RidgeReadout.empty(hidden.shape[1], CLASSES, ridge)
    readout.accumulate(*scatter_and_moments(hidden, labels, class_weights[labels], CLASSES))
    return readout


@pytest.mark.parametrize(("n", "p"), [(300, 40), (30, 60)])
def test_it_equals_a_factorisation_for_every_ridge(n: int, p: int) -> None:
    hidden, labels, weights = rows(n, p)
    readout = built(hidden, labels, weights)
    some = slice(None, None, 3)
    path = RidgePath(readout, hidden[some], labels[some], weights[labels[some]])
    assert path.spread == readout.spread()
    for ridge in FINE_PATH * path.spread:
        oracle = readout.with_ridge(ridge)
        expected = oracle.leave_one_out(hidden[some], labels[some], weights[labels[some]])
        assert np.allclose(path.leave_one_out(ridge), expected, rtol=0, atol=1e-8)


def test_it_equals_refits_without_the_row() -> None:
    hidden, labels, weights = rows(24, 6)
    path = RidgePath(built(hidden, labels, weights), hidden, labels, weights[labels])
    for ridge in (0.01, 3.0):
        scores = path.leave_one_out(ridge)
        for i in range(len(labels)):
            rest = np.arange(len(labels)) != i
            refit = built(hidden[rest], labels[rest], weights, ridge)
            assert np.allclose(scores[i], refit.scores(hidden[i : i + 1])[0], atol=1e-9)


def test_points_count_what_the_scores_say() -> None:
    hidden, labels, weights = rows(80, 20)
    labels[labels == 3] = 2  # a class without a row
    path = RidgePath(built(hidden, labels, weights), hidden, labels, weights[labels])
    targets = np.where(labels[:, None] == np.arange(CLASSES), 1.0, -1.0)
    for point in path.measure(np.array([0.1, 10.0])):
        scores = path.leave_one_out(point.ridge)
        right = scores.argmax(1) == labels
        recalls = [right[labels == k].mean() for k in range(3)]
        assert point.correct == right.sum()
        assert np.allclose(point.recalls[:3], recalls) and np.isnan(point.recalls[3])
        assert point.balanced == pytest.approx(np.mean(recalls))
        squares = ((targets - scores) ** 2).sum(1)
        assert point.error == pytest.approx(np.average(squares, weights=weights[labels]))
    assert path.counts.tolist() == np.bincount(labels, minlength=CLASSES).tolist()


def test_the_fine_path_holds_the_one_that_training_walks() -> None:
    assert len(FINE_PATH) == 25
    assert np.array_equal(FINE_PATH[::3], RIDGE_PATH)
    assert np.allclose(np.diff(np.log10(FINE_PATH)), 1 / 6)


@given(st.integers(2, 12), st.integers(0, 11), st.integers(0, 2**20))
def test_downhill_finds_the_valley(size: int, lowest: int, seed: int) -> None:
    lowest %= size
    rng = np.random.default_rng(seed)
    left = np.sort(rng.random(lowest) + 1)[::-1]
    right = np.sort(rng.random(size - lowest - 1) + 1)
    errors = [*left, 0.0, *right]
    assert downhill(errors.__getitem__, size) == lowest


def test_a_ridge_that_is_lost_in_rounding_is_refused() -> None:
    hidden, labels, weights = rows(30, 60)
    path = RidgePath(built(hidden, labels, weights), hidden, labels, weights[labels])
    for ridge in (1e-20, 0.0, -1.0, float("nan")):
        with pytest.raises(InvalidInput, match=r"^ridge: .*too small"):
            path.leave_one_out(ridge)
