"""What moved, against scikit-learn's discriminant analysis and against counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from astermind_lab.core.tally import FeatureSums, Tally
from astermind_lab.monitoring.drift.moved import discriminant, risen_labels
from tests.monitoring.drift.filling import odd_tallies, of_features, of_labels


def windows(
    n: int, m: int, width: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Whole features of two windows that differ in their means, with a common odd shape."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(0, 12, (width, width))
    both = [rng.normal(0, 1, (k, width)) @ shape + at for k, at in ((n, 0.0), (m, 6.0))]
    return *(np.clip(np.rint(values), -127, 127) for values in both), rng  # type: ignore[return-value]


@pytest.mark.parametrize(("n", "m", "width"), [(400, 150, 5), (30, 25, 32), (12, 500, 3)])
def test_scores_are_those_of_scikit_learn(n: int, m: int, width: int) -> None:
    before, after, rng = windows(n, m, width, seed=n)
    found, note = discriminant(of_features(before, rng), of_features(after, rng))
    assert found is not None and (found.made_by, note) == ("map", "")
    both = np.vstack((before, after))
    shrinkage = width / (width + n + m)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    lda.fit(both, np.repeat([0, 1], (n, m)))
    # it divides by n where we divide by the degrees of freedom, and adds the shares of the classes
    expected = (lda.decision_function(both) - math.log(m / n)) * (n + m - 2) / (n + m)
    assert found.scores(both.astype(np.int8)) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert (
        found.scores(after.astype(np.int8)).mean() > 0 > found.scores(before.astype(np.int8)).mean()
    )


def test_without_common_features_there_is_none() -> None:
    rng = np.random.default_rng(0)
    one, other = (of_features(rng.normal(0, 20, (50, 4)), rng, name) for name in ("one", "other"))
    assert discriminant(one, other) == (
        None,
        "the windows were answered by models whose features cannot be compared",
    )
    found, note = discriminant(one, of_features(rng.normal(0, 20, (9, 4)), rng, "one"))
    assert found is None and "needs at least 10" in note
    assert discriminant(Tally(), Tally())[0] is None
    still = Tally(features={"one": FeatureSums.of(np.ones((20, 4), np.int8), np.zeros(20, int))})
    assert discriminant(one, still)[0] is None


@given(odd_tallies, odd_tallies)
@settings(max_examples=100, deadline=None)
def test_any_two_tallies_are_no_harm(baseline: Tally, current: Tally) -> None:
    found, note = discriminant(baseline, current)
    assert found is not None or note
    if found is not None:
        width = baseline.features[found.made_by].width
        assert np.isfinite(found.scores(np.full((1, width), 127, np.int8))).all()
    risen, note = risen_labels(baseline, current)
    assert bool(risen) == (not note)
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in risen.values())


def test_labels_that_rose_are_in_order() -> None:
    then, now = {"a": 50, "b": 30, "c": 20}, {"a": 20, "b": 40, "c": 35, "new": 5}
    risen, note = risen_labels(of_labels(then), of_labels(now))
    expected = {
        label: math.log((now[label] + 0.5) / 102) - math.log((then.get(label, 0) + 0.5) / 102)
        for label in ("new", "c", "b")
    }
    assert list(risen.items()) == [
        (label, pytest.approx(ratio)) for label, ratio in expected.items()
    ]
    assert note == ""
    same, note = risen_labels(of_labels(then), of_labels(then))
    assert same == {} and note.startswith("no label has a larger share")
    few, note = risen_labels(of_labels(then), of_labels({"a": 9}))
    assert few == {} and note.startswith("needs at least 10 predictions")
