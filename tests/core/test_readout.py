import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from astermind_lab.core.readout import RidgeReadout, press, scatter_and_moments
from astermind_lab.errors import InvalidInput


def rows(n: int = 60, p: int = 12, k: int = 3, seed: int = 0):
    rng = np.random.default_rng(seed)
    hidden = np.hstack((np.ones((n, 1)), rng.standard_normal((n, p - 1))))
    return hidden, rng.integers(k, size=n), rng.uniform(0.5, 2, k)


def built(hidden, labels, class_weights, ridge: float = 0.7) -> RidgeReadout:
    readout = RidgeReadout.empty(hidden.shape[1], len(class_weights), ridge)
    readout.accumulate(
        *scatter_and_moments(hidden, labels, class_weights[labels], len(class_weights))
    )
    return readout


def test_the_solution_is_scikit_learns_weighted_ridge() -> None:
    hidden, labels, weights = rows()
    readout = built(hidden, labels, weights)
    signs = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    oracle = Ridge(alpha=0.7).fit(hidden[:, 1:], signs, sample_weight=weights[labels])
    assert np.allclose(readout.scores(hidden), oracle.predict(hidden[:, 1:]), atol=1e-9)


def test_leave_one_out_equals_refits() -> None:
    hidden, labels, weights = rows()
    fast = built(hidden, labels, weights).leave_one_out(hidden, labels, weights[labels])
    for i in range(len(labels)):
        rest = np.arange(len(labels)) != i
        refit = built(hidden[rest], labels[rest], weights)
        assert np.allclose(fast[i], refit.scores(hidden[i : i + 1])[0], atol=1e-9)


def test_press_equals_refits_of_scikit_learns_ridge() -> None:
    hidden, labels, _ = rows()
    targets = np.eye(3)[labels]
    fast = press(hidden, targets, 0.3)
    for i in range(len(labels)):
        rest = np.arange(len(labels)) != i
        oracle = Ridge(alpha=0.3).fit(hidden[rest, 1:], targets[rest])
        assert np.allclose(fast[i], oracle.predict(hidden[i : i + 1, 1:])[0], atol=1e-9)


@pytest.mark.parametrize("ridge", [0.0, -1.0, float("nan")])
def test_press_refuses_a_ridge_that_is_not_above_0(ridge: float) -> None:
    with pytest.raises(InvalidInput, match="ridge"):
        press(np.ones((2, 1)), np.ones((2, 1)), ridge)


def test_press_refuses_row_counts_that_differ() -> None:
    with pytest.raises(InvalidInput, match="targets"):
        press(np.ones((3, 1)), np.ones((2, 1)), 1.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("afm"), st.integers(0, 59), st.integers(0, 2))))
def test_any_changes_equal_a_refit(steps: list[tuple[str, int, int]]) -> None:
    hidden, labels, weights = rows()
    weights[:] = 1.5
    readout = built(hidden[:30], labels[:30], weights)
    present = list(range(30))
    now = labels.copy()
    for kind, row, label in steps:
        if kind == "a" and row not in present:
            readout.change(hidden[row], now[row], 1.5)
            present.append(row)
        elif kind == "f" and row in present and len(present) > 2:
            readout.change(hidden[row], now[row], -1.5)
            present.remove(row)
        elif kind == "m" and row in present:
            readout.move(hidden[row], now[row], label, 1.5)
            now[row] = label
    refit = built(hidden[present], now[present], weights)
    assert np.allclose(readout.beta, refit.beta, atol=1e-9)
    assert np.allclose(readout.scatter, refit.scatter) and np.allclose(
        readout.moments, refit.moments
    )


def test_a_new_class_starts_from_nothing() -> None:
    hidden, labels, weights = rows()
    readout = built(hidden[:-1], labels[:-1], weights)
    readout.add_class()
    readout.change(hidden[-1], 3, 1.0)
    labels[-1] = 3
    refit = built(hidden, labels, np.append(weights, 1.0))
    assert np.allclose(readout.beta, refit.beta, atol=1e-9)


def test_sums_of_two_parts_are_the_sums_of_the_whole() -> None:
    hidden, labels, weights = rows()
    whole = built(hidden, labels, weights)
    a, b = built(hidden[:20], labels[:20], weights), built(hidden[20:], labels[20:], weights)
    assert np.allclose(a.plus(b).beta, whole.beta, atol=1e-9)
    assert np.allclose(whole.plus(b, -1).beta, a.beta, atol=1e-9)


def test_a_copy_goes_its_own_way() -> None:
    hidden, labels, weights = rows()
    readout = built(hidden, labels, weights)
    before = readout.beta.copy()
    readout.copy().change(hidden[0], 0, 1.0)
    assert np.array_equal(readout.beta, before)


def test_followers_hear_what_each_change_did() -> None:
    hidden, labels, weights = rows()
    readout = built(hidden[:40], labels[:40], weights)
    heard = []
    readout.followers.append(heard.append)
    signs = np.diag([0, *[readout.ridge] * 11])
    for act in (
        lambda: readout.change(hidden[50], 1, 0.7),
        lambda: readout.change(hidden[0], labels[0], -weights[labels[0]]),
        lambda: readout.move(hidden[3], labels[3], 0, weights[labels[3]]),
    ):
        beta, inverse = readout.beta, np.linalg.inv(readout.scatter + signs)
        act()
        step = heard.pop()
        assert np.allclose(readout.beta, beta + np.outer(step.reach, step.pull), atol=1e-10)
        now = np.linalg.inv(readout.scatter + signs)
        assert np.allclose(now, inverse - step.gain * np.outer(step.reach, step.reach), atol=1e-10)
    readout.set_ridge(3.0)
    readout.include(hidden[50:], labels[50:], np.ones(10))
    assert heard == [None, None] and readout.copy().followers == []


def test_leverages_and_solutions_are_those_of_the_inverse() -> None:
    hidden, labels, weights = rows()
    readout = built(hidden, labels, weights)
    for _ in range(2):
        inverse = np.linalg.inv(readout.scatter + np.diag([0, *[readout.ridge] * 11]))
        assert np.allclose(readout.solved(hidden), hidden @ inverse, atol=1e-10)
        assert np.allclose(readout.solved(hidden[:1]), hidden[:1] @ inverse, atol=1e-10)
        expected = np.einsum("ij,jk,ik->i", hidden, inverse, hidden)
        assert np.allclose(readout.leverages(hidden), expected, atol=1e-10)
        readout.change(hidden[0], 1, 1.0)  # from now on by the inverse, not by the factor


def test_a_class_without_rows_says_no_to_all_and_may_go_again() -> None:
    hidden, labels, weights = rows()
    readout = built(hidden, labels, weights)
    before = readout.beta.copy()
    readout.add_class()
    fresh = built(hidden, labels, np.append(weights, 1.0))
    assert np.allclose(readout.beta, fresh.beta, atol=1e-9)
    assert np.allclose(readout.scores(hidden)[:, 3], -1)
    readout.drop_class()
    assert np.array_equal(readout.beta, before) and readout.moments.shape == before.shape
