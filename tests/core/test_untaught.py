from __future__ import annotations

import numpy as np
import pytest

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.judge import Judge
from astermind_lab.core.readout import RidgeReadout, scatter_and_moments
from astermind_lab.core.untaught import AXES, choose_again, left_out_along
from astermind_lab.errors import InsufficientData, InvalidInput
from tests.core.corpus import TOPICS, corpus

SMALL = ElmConfig(hidden_units=64)
TEXTS, LABELS = corpus(1500, noise=0)
NEW, TRUTH = corpus(500, seed=1, noise=0)


def share(model: TextClassifier) -> float:
    return float(np.mean([a == b for a, b in zip(model.predict(NEW), TRUTH, strict=True)]))


def test_it_learns_from_nothing_as_labels_come() -> None:
    model = TextClassifier.untaught(TEXTS, (), SMALL)
    assert (model.n_examples, model.categories, model.accuracy) == (0, (), None)
    judge = Judge(model)
    shares = []
    for n in (10, 40, 160):
        judge.add(TEXTS[model.n_examples : n], LABELS[model.n_examples : n])
        choose_again(judge.model)
        shares.append(share(model))
    assert set(model.categories) == set(TOPICS)
    assert shares[0] < shares[1] < shares[2] and shares[2] > 0.9
    assert model.accuracy.method == "leave-one-out" and model.accuracy.n == 160
    assert abs(model.accuracy.value - shares[2]) < 0.1


def test_labels_have_no_say_in_its_layer() -> None:
    one = TextClassifier.untaught(TEXTS, ["a", "b"], SMALL)
    other = TextClassifier.untaught(TEXTS, ["c"], ElmConfig(hidden_units=64, hidden="constrained"))
    assert one.layer_digest == other.layer_digest
    assert one.layer.coordinates.width <= AXES


def test_it_is_a_model_like_others() -> None:
    model = TextClassifier.untaught(TEXTS[:50], ["music", "travel"], SMALL)
    model.add(TEXTS[:30], LABELS[:30])
    again = TextClassifier.from_bytes(model.to_bytes())
    assert np.array_equal(again.predict_proba(NEW), model.predict_proba(NEW))
    assert again.categories[:2] == ("music", "travel")
    again.forget(TEXTS[:30], LABELS[:30])
    assert again.n_examples == 0


def test_leave_one_out_along_a_path_is_that_of_the_readout() -> None:
    rng = np.random.default_rng(0)
    for n in (12, 80):
        rows = np.hstack((np.ones((n, 1)), rng.standard_normal((n, 40)) + 3))
        labels, weights = rng.integers(3, size=n), rng.uniform(0.5, 2, n)
        readout = RidgeReadout.empty(41, 3)
        readout.accumulate(*scatter_and_moments(rows, labels, weights, 3))
        targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
        ridges = np.array([0.1, 1.0, 30.0])
        path = left_out_along(rows, targets, weights, ridges)
        for ridge, found in zip(ridges, path, strict=True):
            expected = readout.with_ridge(ridge).leave_one_out(rows, labels, weights)
            assert np.abs(found - expected).max() < 1e-9


def test_the_chosen_ridge_is_the_best_of_the_path_by_leave_one_out() -> None:
    model = TextClassifier.untaught(TEXTS, (), SMALL)
    judge = Judge(model)
    judge.add(*corpus(60, seed=3, noise=0.3))
    choose_again(judge.model)
    labels = judge.labels.astype(int)
    targets = np.where(labels[:, None] == np.arange(len(model.categories)), 1.0, -1.0)

    def error(ridge: float) -> float:
        trial = model.readout.with_ridge(ridge)
        scores = trial.leave_one_out(judge.rows, labels, np.ones(60))
        return float(((scores - targets) ** 2).sum())

    chosen = model.readout.ridge
    assert all(error(chosen) <= error(chosen * factor) for factor in (10**-0.5, 10**0.5))
    kept = TextClassifier.untaught(TEXTS, (), ElmConfig(hidden_units=64, ridge=0.25))
    held = Judge(kept)
    held.add(TEXTS[:20], LABELS[:20])
    choose_again(held.model)
    assert kept.readout.ridge == 0.25 and kept.calibration != model.calibration


@pytest.mark.parametrize("texts", [["only one"], ["the same"] * 5, ["☃☃", "a"]])
def test_hardly_any_text_is_enough_to_begin_with(texts: list[str]) -> None:
    model = TextClassifier.untaught(texts, ["a", "b"], SMALL)
    model.add(["only one", "another"], ["a", "b"])
    assert np.isfinite(model.predict_proba(NEW)).all()


def test_what_cannot_be_begun_is_refused() -> None:
    for texts, categories, config, name in (
        ("text", (), SMALL, "texts"),
        (["a", " "], (), SMALL, "texts"),
        (["a"], ["x", "x"], SMALL, "categories"),
        (["a"], [""], SMALL, "categories"),
        (["a"], (), ElmConfig(readout="margin"), "config"),
    ):
        with pytest.raises(InvalidInput, match=f"^{name}"):
            TextClassifier.untaught(texts, categories, config)
    with pytest.raises(InsufficientData, match=r"^texts"):
        TextClassifier.untaught([], (), SMALL)
