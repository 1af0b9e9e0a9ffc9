from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.learner import Learner
from tests.core.corpus import TOPICS, corpus

SMALL = ElmConfig(hidden_units=32)
TEXTS, LABELS = corpus(600)
NEW, TRUTH = corpus(60, seed=3)
NAMES = [*TOPICS, "a new label", "another one"]
FITTED = TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=32, balance=0.6))
BLANK = TextClassifier.untaught(TEXTS, ["music"], SMALL)


def same(model: TextClassifier, other: TextClassifier) -> bool:
    """Whether two models are the same, to about nine digits."""
    for name in ("texts", "labels", "places", "coordinates", "judged"):
        if not np.array_equal(getattr(model.ledger, name), getattr(other.ledger, name)):
            return False
    facts = ("categories", "calibration")
    return (
        all(getattr(model, name) == getattr(other, name) for name in facts)
        and model.readout.ridge == other.readout.ridge
        and np.array_equal(model.class_weights, other.class_weights)
        and np.allclose(model.readout.beta, other.readout.beta, atol=1e-9)
        and np.allclose(model.readout.scatter, other.readout.scatter, atol=1e-9)
        and np.allclose(model.readout.moments, other.readout.moments, atol=1e-9)
    )


@settings(max_examples=20, deadline=None)
@given(
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 59), st.sampled_from(NAMES)), min_size=1, max_size=50),
)
def test_any_steps_can_be_taken_back(untaught: bool, steps: list[tuple[int, str]]) -> None:
    learner = Learner((BLANK if untaught else FITTED).copy())
    before, undos = [], []
    for number, label in steps:
        before.append(learner.model.copy())
        if untaught or number % 2:
            undos.append(learner.add(NEW[number], label))
        else:
            undos.append(learner.relabel(number, TEXTS[number], label))
    for model, undo in zip(reversed(before), reversed(undos), strict=True):
        undo()
        assert same(learner.model, model)
    assert np.allclose(learner.judge.scores, learner.model.leave_one_out()[0], atol=1e-9)


def test_ridge_is_chosen_anew_whenever_examples_have_doubled() -> None:
    learner = Learner(BLANK.copy())
    ridges = []
    for text, label in zip(NEW[:45], TRUTH[:45], strict=True):
        learner.add(text, label)
        ridges.append((learner.model.readout.ridge, learner.model.calibration))
    changed = [n + 1 for n in range(1, 45) if ridges[n] != ridges[n - 1]]
    assert changed == [10, 20, 40]


def test_ridge_stays_while_there_is_one_label_only_and_for_a_layer_that_has_seen_labels() -> None:
    learner = Learner(BLANK.copy())
    for text in NEW[:25]:
        learner.add(text, "music")
    assert learner.model.readout.ridge == BLANK.readout.ridge and learner.classes == 1
    learner.add(NEW[30], "travel")
    assert learner.model.readout.ridge != BLANK.readout.ridge and learner.classes == 2
    fitted = Learner(FITTED.copy())
    for text, label in zip(NEW * 3, TRUTH * 3, strict=True):
        fitted.add(text, label)
    assert fitted.model.readout.ridge == FITTED.readout.ridge
