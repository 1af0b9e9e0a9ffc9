"""Accuracy without truths: against direct solutions, in coverage, and on any tally at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import chi2_contingency

from astermind_lab.core.tally import Observation, Tally
from astermind_lab.errors import InvalidInput
from astermind_lab.monitoring.label_free import (
    CHANGED,
    CONTRADICTION,
    MAX_LABELS,
    UNEXPLAINED,
    LabelFreeAccuracy,
    estimate_accuracy,
)
from astermind_lab.monitoring.label_shift import _shares, label_shift
from astermind_lab.monitoring.label_tables import LabelTables, strength
from astermind_lab.monitoring.same_answers import homogeneity, same_answers

Array = NDArray[np.float64]
Row = tuple[str | None, str, float]

CONFIDENCES = np.array([0.2, 0.4, 0.6, 0.7, 0.85, 0.92, 0.97, 0.995])  # one for each level


def tally(rows: Sequence[Row]) -> Tally:
    return Tally.of([Observation(t, p, c, None, 0) for t, p, c in rows])


class World:
    """Texts of k labels: each label has its recall, its mix-ups, and its levels of confidence."""

    def __init__(self, k: int, seed: int = 0) -> None:
        chance = np.random.default_rng(seed)
        self.k = k
        recall = np.linspace(0.6, 0.95, k)
        answers = chance.dirichlet(np.ones(k), k) * (1 - np.eye(k))
        answers *= ((1 - recall) / answers.sum(1))[:, None]
        answers[np.arange(k), np.arange(k)] = recall
        right = chance.dirichlet(np.arange(1.0, 9), k)
        wrong = chance.dirichlet(np.arange(8.0, 0, -1), k)
        levels = np.where(np.eye(k)[..., None] == 1, right[:, None], wrong[:, None])
        self.table: Array = answers[..., None] * levels

    def draw(self, n: int, shares: Array, chance: np.random.Generator) -> Array:
        """(k, k, 8) counts of n rows."""
        return chance.multinomial(n, (shares[:, None, None] * self.table).ravel()).reshape(
            self.table.shape
        )


def counted(counts: Array, known: bool = True) -> Tally:
    """The tally of (k, k, 8) counts; counted, not drawn up row by row, to be quick."""
    rows = [
        (f"label {t}" if known else None, f"label {p}", float(CONFIDENCES[level]))
        for (t, p, level), n in np.ndenumerate(counts)
        for _ in range(int(n))
    ]
    return tally(rows)


def accuracy(counts: Array) -> float:
    return float(np.trace(counts.sum(2)) / counts.sum())


def test_shares_are_those_of_the_confusion_matrix_where_nothing_else_is_known() -> None:
    world, chance = World(4), np.random.default_rng(1)
    counts = world.draw(400_000, np.full(4, 0.25), chance).astype(float)
    window = world.draw(400_000, np.array([0.5, 0.1, 0.1, 0.3]), chance).sum(0).astype(float)
    # All of one level: as many cells as labels, so that likelihood and moments have one solution.
    counts, window = counts.sum(2, keepdims=True), window.sum(1, keepdims=True)
    counts, window = np.pad(counts, [(0, 0), (0, 0), (0, 7)]), np.pad(window, [(0, 0), (0, 7)])
    confusion = counts.sum(2) / counts.sum((1, 2))[:, None]
    solved = np.linalg.solve(confusion.T, window.sum(1) / window.sum())
    found = label_shift(LabelTables(counts), window)
    np.testing.assert_allclose(found.shares, solved, atol=2e-4)
    assert found.accuracy == pytest.approx(solved @ np.diag(confusion), abs=2e-4)


def test_shares_are_the_most_likely_ones() -> None:
    chance = np.random.default_rng(2)
    table = chance.dirichlet(np.full(12, 0.3), 5) * 0.999 + 0.001 / 12
    seen = chance.multinomial(200, np.array([0.6, 0.3, 0.1, 0.0, 0.0]) @ table) / 200
    prior = np.full(5, 0.5 / 200)

    def loss(q: Array) -> float:
        return -float(seen @ np.log(q @ table) + prior @ np.log(q))

    best = minimize(
        loss,
        np.full(5, 0.2),
        bounds=[(1e-9, 1)] * 5,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    found = _shares(table, seen, prior)
    assert found.sum() == pytest.approx(1)
    assert loss(found) <= best.fun + 1e-9
    np.testing.assert_allclose(found, best.x, atol=1e-4)


def test_the_variance_is_that_of_repeated_baselines_and_windows() -> None:
    world, chance = World(4), np.random.default_rng(3)
    then, now = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
    values, chances, variances = [], [], []
    for _ in range(150):
        known = LabelTables(world.draw(3000, then, chance).astype(float))
        window = world.draw(3000, now, chance)
        found = label_shift(known, window.sum(0).astype(float))
        values.append(found.accuracy - accuracy(window))
        variances.append(found.variance)
        chances.append(found.accuracy * (1 - found.accuracy) / 3000)
    # The window's own chance is less than that of n draws, because the levels tell some of it.
    assert np.mean(variances) < np.var(values) + np.mean(chances)
    assert 0.9 * np.var(values) < np.mean(variances) + np.mean(chances)
    assert abs(np.mean(values)) < 0.004


def test_a_table_leans_no_more_than_its_groups_allow() -> None:
    same, apart = np.full((6, 2), 50.0), np.array([[90.0, 10], [10, 90]] * 3)
    half = np.full((6, 2), 0.5)
    assert strength(same, half) > 30 > strength(apart, half)
    assert strength(np.zeros((3, 2)), np.full((3, 2), 0.5)) == 1


@given(
    st.lists(st.integers(0, 200), min_size=2, max_size=9),
    st.lists(st.integers(0, 200), min_size=2, max_size=9),
)
def test_homogeneity_is_that_of_scipy_where_no_category_is_small(
    one: list[int], other: list[int]
) -> None:
    counts = np.array([(a, b) for a, b in zip(one, other, strict=False)])
    found = homogeneity(*(dict(enumerate(column)) for column in counts.T.tolist()))
    assert 0 <= found <= 1
    expected = np.outer(counts.sum(1), counts.sum(0)) / max(1, counts.sum())
    if expected.min() >= 5:
        assert found == pytest.approx(chi2_contingency(counts, correction=False).pvalue)


def test_same_answers_corrects_for_two_tests() -> None:
    one, other = [("a", 1, 40), ("b", 1, 60)], [("a", 1, 60), ("b", 1, 40)]
    assert same_answers(one, other) == pytest.approx(
        2 * chi2_contingency([[40, 60], [60, 40]], correction=False).pvalue
    )
    assert same_answers([], other) == 1


@pytest.fixture(scope="module")
def shifted() -> list[tuple[float, LabelFreeAccuracy]]:
    """Two hundred windows of a world whose labels have other frequencies than in the baseline."""
    world, chance = World(5), np.random.default_rng(5)
    found = []
    for _ in range(200):
        then, now = chance.dirichlet(np.full(5, 4.0)), chance.dirichlet(np.ones(5))
        baseline = counted(world.draw(600, then, chance))
        window = world.draw(300, now, chance)
        found.append((accuracy(window), estimate_accuracy(baseline, counted(window, False))))
    return found


def test_under_label_shift_the_truth_is_inside_the_interval(
    shifted: list[tuple[float, LabelFreeAccuracy]],
) -> None:
    estimates = [(truth, found, found.label_shift) for truth, found in shifted]
    inside = [e is not None and e.low <= truth <= e.high for truth, _, e in estimates]
    headline = [found.low <= truth <= found.high for truth, found, _ in estimates]  # type: ignore[operator]
    widths = [e.high - e.low for _, _, e in estimates if e is not None]
    assert np.mean(inside) >= 0.93
    assert np.mean(headline) >= 0.93
    assert np.mean(widths) < 0.16  # 300 rows with their truths have 0.09


def test_label_shift_is_rarely_denied_where_it_is_all_there_is(
    shifted: list[tuple[float, LabelFreeAccuracy]],
) -> None:
    denied = [found.label_shift is None or found.label_shift.holds is False for _, found in shifted]
    assert np.mean(denied) <= 0.06


def test_a_changed_window_is_spoken_of(shifted: list[tuple[float, LabelFreeAccuracy]]) -> None:
    said = [found.confidence is not None and bool(found.confidence.warning) for _, found in shifted]
    assert np.mean(said) > 0.9


def test_where_nothing_changed_both_hold() -> None:
    world, chance = World(5), np.random.default_rng(6)
    shares, inside, quiet = np.full(5, 0.2), [], []
    for _ in range(100):
        baseline = counted(world.draw(600, shares, chance))
        window = world.draw(300, shares, chance)
        found = estimate_accuracy(baseline, counted(window, False))
        assert found.confidence is not None and found.label_shift is not None
        inside.append(
            all(e.low <= accuracy(window) <= e.high for e in (found.confidence, found.label_shift))
        )
        quiet.append(not found.warnings and found.confidence.holds and found.label_shift.holds)
    assert np.mean(inside) >= 0.92
    assert np.mean(quiet) >= 0.92


def test_texts_that_look_different_are_not_taken_for_label_shift() -> None:
    world, chance = World(5), np.random.default_rng(7)
    shares = np.full(5, 0.2)
    baseline = counted(world.draw(800, shares, chance))
    # Every answer has sunk by two levels of confidence.
    window = np.roll(world.draw(400, shares, chance), -2, axis=2)
    window[..., 6:] = 0
    found = estimate_accuracy(baseline, counted(window, False))
    assert found.label_shift is not None and found.confidence is not None
    assert found.label_shift.holds is False and found.confidence.holds is None
    assert found.method == "confidence" and found.warnings == (UNEXPLAINED,)
    assert (found.value, found.low, found.high) == (
        found.confidence.value,
        found.confidence.low,
        found.confidence.high,
    )


def test_estimates_that_contradict_each_other_are_both_in_the_interval() -> None:
    # Confidence says nothing here and the answers everything: the found label is the rare one.
    baseline = [("a", "a", 0.9)] * 950 + [("b", "b", 0.9)] * 50 + [("b", "a", 0.9)] * 200
    window: list[Row] = [(None, "a", 0.9)] * 400 + [(None, "b", 0.9)] * 90
    found = estimate_accuracy(tally(baseline), tally(window))
    assert found.warnings == (CONTRADICTION,) and found.method == "both"
    assert found.confidence is not None and found.label_shift is not None
    assert found.confidence.holds is None and found.label_shift.holds is None
    assert found.label_shift.value == pytest.approx(1 - 360 / 490, abs=0.06)
    assert found.low == found.label_shift.low and found.high == found.confidence.high


def test_nobody_sees_a_change_of_concept() -> None:
    world, chance = World(5), np.random.default_rng(8)
    baseline = counted(world.draw(600, np.full(5, 0.2), chance))
    window = world.draw(300, np.full(5, 0.2), chance)
    found = estimate_accuracy(baseline, counted(window))
    assert found == estimate_accuracy(baseline, counted(window[::-1]))  # other truths, same answers
    assert found == estimate_accuracy(baseline, counted(window, False))


def test_more_certainty_asks_for_a_wider_interval() -> None:
    world, chance = World(5), np.random.default_rng(9)
    baseline = counted(world.draw(600, np.full(5, 0.2), chance))
    window = counted(world.draw(300, np.full(5, 0.2), chance), False)
    wide, narrow = (estimate_accuracy(baseline, window, level=level) for level in (0.99, 0.8))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high  # type: ignore[operator]
    assert (wide.level, narrow.level) == (0.99, 0.8)
    for level in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(InvalidInput, match="level: must lie between 0 and 1"):
            estimate_accuracy(baseline, window, level=level)


def test_labels_that_are_new_are_named() -> None:
    baseline = [("a", "a", 0.9)] * 100 + [("b", "b", 0.7)] * 100
    window: list[Row] = [(None, "a", 0.9)] * 50 + [(None, "c", 0.7)] * 50 + [("d", "a", 0.9)] * 5
    found = estimate_accuracy(tally(baseline), tally(window))
    assert "The window has labels that the baseline has not: d." in found.warnings
    assert any(
        "48% of the answers are labels that no row" in w and ": c." in w for w in found.warnings
    )


def test_feedback_that_covers_another_part_is_spoken_of() -> None:
    known: list[Row] = [("a", "a", 0.9)] * 100 + [("b", "b", 0.7)] * 20
    rest: list[Row] = [(None, "a", 0.9)] * 100 + [(None, "b", 0.7)] * 300
    window: list[Row] = [(None, "a", 0.9)] * 100 + [(None, "b", 0.7)] * 20
    found = estimate_accuracy(tally(known + rest), tally(window))
    assert any("Truths are known for 23% of the baseline" in w for w in found.warnings)
    fair = estimate_accuracy(tally(known + rest[:100] + rest[-20:]), tally(window))
    assert fair.warnings == ()


def test_one_label_or_too_many_leave_only_confidence() -> None:
    found = estimate_accuracy(tally([("a", "a", 0.9)] * 50), tally([(None, "a", 0.9)] * 50))
    assert found.label_shift is None and found.method == "confidence"
    assert found.confidence is not None and found.confidence.holds is True
    assert found.low is not None and 0.88 < found.low < found.high == 1.0  # type: ignore[operator]
    many: list[Row] = [(f"{i}", f"{i}", 0.9) for i in range(MAX_LABELS + 1)]
    assert estimate_accuracy(tally(many), tally(many)).label_shift is None
    other = estimate_accuracy(tally(many), tally([(None, "0", 0.9)] * 99))
    assert other.confidence is not None and other.confidence.warning == CHANGED


def test_too_little_is_said_to_be_too_little() -> None:
    few, enough = tally([("a", "a", 0.9)] * 29), tally([("a", "a", 0.9)] * 30)
    unknown: list[Row] = [(None, "a", 0.9)] * 500
    for baseline, current in ((few, enough), (tally(unknown), enough), (enough, Tally())):
        found = estimate_accuracy(baseline, current)
        assert found.status == "insufficient_data"
        assert found.value is None and found.confidence is None and found.method is None
        assert (found.baseline_known, found.current_n) == (baseline.known, current.n)
    assert estimate_accuracy(enough, enough).status == "ok"


names = st.sampled_from(["a", "b", "c", "never seen", ""])
rows = st.tuples(st.none() | names, names, st.floats(0, 1), st.integers(1, 60))


@given(st.lists(rows, max_size=12), st.lists(rows, max_size=12), st.floats(0.5, 0.999))
def test_any_two_windows_have_an_answer(
    before: list[tuple[str | None, str, float, int]],
    after: list[tuple[str | None, str, float, int]],
    level: float,
) -> None:
    baseline, current = (
        tally([(t, p, c) for t, p, c, n in kinds for _ in range(n)]) for kinds in (before, after)
    )
    found = estimate_accuracy(baseline, current, level=level)
    assert found == estimate_accuracy(baseline, current, level=level)
    if found.status == "insufficient_data":
        assert baseline.known < 30 or current.n < 20
        return
    shown = [e for e in (found, found.confidence, found.label_shift) if e is not None]
    for e in shown:
        assert e.value is not None and e.low is not None and e.high is not None
        assert 0 <= e.low <= e.value <= e.high <= 1
    used = [found.confidence] if found.method == "confidence" else shown[1:]
    assert found.low == min(e.low for e in used if e is not None and e.low is not None)


def test_the_order_of_rows_and_empty_counts_change_nothing() -> None:
    world, chance = World(3), np.random.default_rng(10)
    baseline = counted(world.draw(300, np.full(3, 1 / 3), chance))
    window = counted(world.draw(100, np.full(3, 1 / 3), chance), False)
    found = estimate_accuracy(baseline, window)
    backwards = replace(baseline, cells=dict(reversed(baseline.cells.items())))
    backwards.cells["gone", "gone", 3] = 0
    assert estimate_accuracy(backwards, window) == found
