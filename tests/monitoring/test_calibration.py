"""The reliability curve, against counting rows and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from astermind_lab.core.tally import Observation, Tally, bin_of_confidence
from astermind_lab.monitoring.calibration import LEAST, WIDTHS, reliability

Case = tuple[float, bool | None]


def tally_of(cases: list[Case]) -> Tally:
    """Cases of (confidence, right or None where that is not known)."""
    names = {True: "a", False: "b", None: None}
    return Tally.of(Observation(names[right], "a", c, None, 0) for c, right in cases)


def place(confidence: float) -> int:
    """The sixteenth of a confidence; below one half it includes its low edge, above its high."""
    if confidence < 0.5:
        return int(confidence * WIDTHS)
    return WIDTHS - 1 - min(7, int((1 - confidence) * WIDTHS))


def by_hand(cases: list[Case]) -> list[list[tuple[float, bool]]]:
    """The bins, cut and joined row by row."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(WIDTHS)]
    for confidence, right in cases:
        if right is not None:
            bins[place(confidence)].append((confidence, right))
    joined: list[list[tuple[float, bool]]] = []
    for one in reversed([b for b in bins if b]):
        if joined and len(joined[-1]) < LEAST:
            joined[-1] += one
        else:
            joined.append(one)
    if len(joined) > 1 and len(joined[-1]) < LEAST:
        rest = joined.pop()
        joined[-1] += rest
    return joined[::-1]


confidences = st.floats(0, 1) | st.sampled_from([i / 32 for i in range(33)])


@given(st.lists(st.tuples(confidences, st.none() | st.booleans()), max_size=120))
@settings(max_examples=100, deadline=None)
def test_any_cases_against_the_rows(cases: list[Case]) -> None:
    found, expected = reliability(tally_of(cases)), by_hand(cases)
    assert [one.n for one in found.bins] == [len(rows) for rows in expected]
    assert found.n == sum(map(len, expected))
    if not found.n:
        assert found.error is None and found.accuracy is None and found.mean_confidence is None
        return
    error = 0.0
    for one, rows in zip(found.bins, expected, strict=True):
        values, right = np.array(rows, float).T
        assert one.accuracy.value == pytest.approx(right.mean())
        assert one.accuracy.n == len(rows)
        assert one.mean_confidence == pytest.approx(values.mean(), abs=0.004)
        assert one.low <= values.min() and values.max() <= one.high
        error += len(rows) / found.n * abs(values.mean() - right.mean())
    assert found.error == pytest.approx(error, abs=0.004)
    assert all(one.n >= LEAST for one in found.bins) or len(found.bins) == 1
    edges = [edge for one in found.bins for edge in (one.low, one.high)]
    assert edges == sorted(edges)


def test_the_curve_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    values = rng.beta(4, 2, 20_000)
    right = rng.random(len(values)) < values**2
    found = reliability(tally_of(list(zip(values.tolist(), right.tolist(), strict=True))))
    share, mean = calibration_curve(right, values, n_bins=WIDTHS)
    kept = [one for one in found.bins if one.n > 200]
    assert len(kept) > 9
    assert [one.accuracy.value for one in kept] == pytest.approx(share[-len(kept) :])
    assert [one.mean_confidence for one in kept] == pytest.approx(mean[-len(kept) :], abs=0.004)
    assert found.mean_confidence == pytest.approx(values.mean(), abs=0.004)
    assert found.accuracy is not None and found.accuracy.value == right.mean()


def test_edges_are_edges_of_the_finer_bins() -> None:
    for edge in np.arange(1, WIDTHS) / WIDTHS:
        assert bin_of_confidence(np.nextafter(edge, 0)) != bin_of_confidence(np.nextafter(edge, 1))


def test_too_few_truths_are_one_bin() -> None:
    found = reliability(tally_of([(0.1, True), (0.5, None), (0.99, False)]))
    assert [(one.low, one.high, one.n) for one in found.bins] == [(1 / 16, 1.0, 2)]
    assert reliability(tally_of([(0.4, None)])).bins == []
