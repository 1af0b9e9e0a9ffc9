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
    found = fit(SplitMatrix([matrix[:50], matrix[50:]]), signs, iterations=120)
    X = matrix.toarray().astype("f8")
    for k in range(3):
        best = minimize(loss, np.zeros(31), args=(X, signs[:, k], 0.5), method="L-BFGS-B").fun
        ours = loss(np.append(found.weights[:, k], found.bias[k]), X, signs[:, k], 0.5)
        assert ours == pytest.approx(best, rel=1e-3)


def test_some_of_the_rows_are_the_matrix_of_these_rows() -> None:
    matrix, signs = problem()
    chosen = np.arange(120) % 3 > 0
    part = SplitMatrix([matrix]).rows(chosen)
    alone = SplitMatrix([matrix[chosen]])
    assert np.allclose(part.squares, alone.squares, atol=1e-5)
    a, b = fit(part, signs[chosen]), fit(alone, signs[chosen])
    assert np.allclose(a.weights, b.weights, atol=1e-4) and np.allclose(a.bias, b.bias, atol=1e-4)


def test_going_on_continues_the_descent() -> None:
    matrix, signs = problem()
    split = SplitMatrix([matrix])
    X = matrix.toarray().astype("f8")
    first = fit(split, signs, iterations=3)
    scores = (matrix @ first.weights + first.bias).astype("f4")
    after = fit(split, signs, iterations=3, start=(first, scores))
    for k in range(3):
        before = loss(np.append(first.weights[:, k], first.bias[k]), X, signs[:, k], 0.5)
        assert loss(np.append(after.weights[:, k], after.bias[k]), X, signs[:, k], 0.5) < before


def test_the_split_matrix_multiplies_like_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, signs = problem()
    right = np.random.default_rng(1).standard_normal((30, 3)).astype("f4")
    for cells in (0, 240, 1 << 27):  # no, two, and all frequent columns dense
        monkeypatch.setattr(discriminants, "MOST_DENSE", cells)
        split = SplitMatrix([matrix[:50], matrix[50:]])
        assert np.allclose(split.times(right), matrix @ right, atol=1e-5)
        assert np.allclose(split.transposed_times(signs), matrix.T @ signs, atol=1e-4)
