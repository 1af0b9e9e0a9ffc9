from __future__ import annotations

import numpy as np
import pytest

from astermind_lab.core.followed_rows import FollowedRows
from astermind_lab.core.readout import RidgeReadout, scatter_and_moments


def rows(n: int, p: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.hstack((np.ones((n, 1)), rng.standard_normal((n, p - 1))))


def built(n: int = 50, p: int = 9, k: int = 3) -> RidgeReadout:
    readout = RidgeReadout.empty(p, k, 0.5)
    labels = np.random.default_rng(1).integers(k, size=n)
    readout.accumulate(*scatter_and_moments(rows(n, p), labels, np.ones(n), k))
    return readout


def check(followed: FollowedRows, readout: RidgeReadout, near: float) -> None:
    penalised = readout.scatter + np.diag([0, *[readout.ridge] * (len(readout.scatter) - 1)])
    wide = followed.rows.astype(np.float64)
    inverse = np.linalg.inv(penalised)
    beta = inverse @ (2 * readout.moments - readout.scatter[:, :1])
    assert np.allclose(followed.scores, wide @ beta, atol=near)
    assert np.allclose(followed.leverages, np.einsum("ij,jk,ik->i", wide, inverse, wide), atol=near)


@pytest.mark.parametrize(("dtype", "near"), [(np.float64, 1e-9), (np.float32, 2e-4)])
@pytest.mark.parametrize("looks", [True, False])
def test_scores_and_leverages_follow_every_change(dtype: type, near: float, looks: bool) -> None:
    readout = built()
    followed = FollowedRows(readout, rows(2100, 9, seed=5), dtype)
    more = rows(60, 9, seed=6)
    if looks:
        check(followed, readout, near)
    for i in range(40):
        readout.change(more[i], i % 3, 1.5)
    readout.move(more[0], 0, 1, 1.5)
    check(followed, readout, near)
    readout.add_class()
    check(followed, readout, near)
    readout.change(more[1], 1, -1.5)
    readout.change(more[50], 3, 0.5)
    followed.append(more[:3])
    check(followed, readout, near)
    followed.remove([0, 2, 2100])
    assert len(followed) == 2100
    assert np.allclose(followed.rows[-2:], more[[1, 2]])
    check(followed, readout, near)
    readout.change(more[50], 3, -0.5)
    readout.drop_class()
    readout.set_ridge(2.0)
    check(followed, readout, near)


def test_classes_may_come_and_go_while_nobody_looks() -> None:
    readout = built()
    followed = FollowedRows(readout, rows(20, 9, seed=5))
    check(followed, readout, 1e-9)
    more = rows(4, 9, seed=6)
    readout.add_class()
    readout.add_class()
    readout.change(more[0], 4, 1.0)
    readout.change(more[0], 4, -1.0)
    readout.drop_class()
    readout.change(more[1], 3, 1.0)
    check(followed, readout, 1e-9)
    readout.add_class()
    followed.append(more)
    check(followed, readout, 1e-9)


def test_many_rows_may_be_appended_one_by_one() -> None:
    readout = built()
    followed = FollowedRows(readout, np.zeros((0, 9)))
    more = rows(300, 9, seed=6)
    for i in range(300):
        followed.append(more[i : i + 1])
    assert np.array_equal(followed.rows, more)
    check(followed, readout, 1e-9)
