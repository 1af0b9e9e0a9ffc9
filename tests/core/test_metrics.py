"""Figures from a confusion matrix, against scikit-learn and NumPy."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from astermind_lab.core.metrics import class_scores, confusion, quantiles

TOLERANCE = 1e-12
names = st.sampled_from(["a", "b", "c", "d", "never"])


def check_against_scikit_learn(truths: list[str], predicted: list[str]) -> None:
    scores = class_scores(confusion((t, p, 1) for t, p in zip(truths, predicted, strict=True)))
    precision, recall, f1, support = precision_recall_fscore_support(
        truths, predicted, labels=scores.labels, zero_division=0
    )
    assert [p or 0.0 for p in scores.precision] == pytest.approx(precision, abs=TOLERANCE)
    assert [r or 0.0 for r in scores.recall] == pytest.approx(recall, abs=TOLERANCE)
    assert [f or 0.0 for f in scores.f1] == pytest.approx(f1, abs=TOLERANCE)
    assert list(scores.support) == list(support)
    assert scores.correct / scores.n == pytest.approx(accuracy_score(truths, predicted))
    for kind in ("macro", "weighted"):
        expected = precision_recall_fscore_support(
            truths, predicted, average=kind, zero_division=0
        )[:3]
        means = (scores.precision_means, scores.recall_means, scores.f1_means)
        assert [getattr(mean, kind) for mean in means] == pytest.approx(expected, abs=TOLERANCE)


@given(st.lists(st.tuples(names, names), min_size=1, max_size=60))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    check_against_scikit_learn([t for t, _ in pairs], [p for _, p in pairs])


def test_scores_of_many_rows_and_labels() -> None:
    chance = random.Random(4)
    labels = [f"label {i}" for i in range(77)]
    truths = [chance.choice(labels) for _ in range(50_000)]
    predicted = [t if chance.random() < 0.8 else chance.choice(labels) for t in truths]
    check_against_scikit_learn(truths, predicted)


def test_an_undefined_score_is_none() -> None:
    scores = class_scores({"a": {"b": 3}, "c": {"c": 1}})
    by_label = dict(
        zip(scores.labels, zip(scores.precision, scores.recall, strict=True), strict=True)
    )
    assert by_label == {"a": (None, 0.0), "b": (0.0, None), "c": (1.0, 1.0)}


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="no case"):
        class_scores({})
    with pytest.raises(ValueError, match="no value"):
        quantiles([], [0.5])


def test_counts_add_up_and_zeros_are_dropped() -> None:
    counts = [("a", "a", 2), ("a", "b", 0), ("a", "a", 3), ("b", "a", 1)]
    assert confusion(counts) == {"a": {"a": 5}, "b": {"a": 1}}


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=40),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_quantiles_are_those_of_numpy(values: list[float], levels: list[float]) -> None:
    assert quantiles(values, levels) == pytest.approx(
        np.quantile(values, levels), rel=1e-9, abs=1e-9
    )
