import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from astermind_lab.core import discriminants
from astermind_lab.core.discriminants import SplitMatrix, fit


def problem(seed: int = 0) -> tuple[sp.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    dense = rng.random((120, 30)) * (rng.random((120, 30)) < 0.2)
    dense[:, :3] = rng.random((120, 3))  # frequent columns take the dense path
    labels = (dense @ rng.standard_normal((30, 3))).argmax(1)
    signs = np.full((120, 3), -1, np.float32)
    signs[np.arange(120), labels] = 1
    return sp.csr_matrix(dense.astype("f4")), signs


def loss(theta: np.ndarray, X: np.ndarray, y: np.ndarray, ridge: float) -> float:
    slack = np.maximum(0, 1 - y * (X @ theta[:-1] + theta[-1]))
    return float((slack**2).sum() + ridge * (theta[:-1] ** 2).sum())


def test_it_finds_the_minimum_that_scipy_finds() -> None:
    matrix, signs = problem()
    found, _ = fit(SplitMatrix([matrix[:50], matrix[50:]]), signs, iterations=120)
    X = matrix.toarray().astype("f8")
    for k in range(3):
        best = minimize(loss, np.zeros(31), args=(X, signs[:, k], 0.5), method="L-BFGS-B").fun
        ours = loss(np.append(found.weights[:, k], found.bias[k]), X, signs[:, k], 0.5)
        assert ours == pytest.approx(best, rel=1e-3)


def test_rows_left_out_have_no_say_but_are_scored() -> None:
    matrix, signs = problem()
    rows = np.arange(120) < 80
    flipped = np.where(rows[:, None], signs, -signs)
    (a, scores), (b, other) = (
        fit(SplitMatrix([matrix[:50], matrix[50:]]), s, rows) for s in (signs, flipped)
    )
    assert np.array_equal(a.weights, b.weights) and np.array_equal(scores, other)
    assert np.allclose(scores, matrix @ a.weights + a.bias, atol=1e-4)


def test_going_on_continues_the_descent() -> None:
    matrix, signs = problem()
    split = SplitMatrix([matrix[:50], matrix[50:]])
    X = matrix.toarray().astype("f8")
    start = fit(split, signs, iterations=3)
    after, _ = fit(split, signs, iterations=3, start=start)
    for k in range(3):
        before = loss(np.append(start[0].weights[:, k], start[0].bias[k]), X, signs[:, k], 0.5)
        assert loss(np.append(after.weights[:, k], after.bias[k]), X, signs[:, k], 0.5) < before


def test_the_split_matrix_multiplies_like_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, signs = problem()
    right = np.random.default_rng(1).standard_normal((30, 3)).astype("f4")
    for cells in (0, 240, 1 << 27):  # no, two, and all frequent columns dense
        monkeypatch.setattr(discriminants, "MOST_DENSE", cells)
        split = SplitMatrix([matrix[:50], matrix[50:]])
        assert np.allclose(split.times(right), matrix @ right, atol=1e-5)
        assert np.allclose(split.transposed_times(signs), matrix.T @ signs, atol=1e-4)
