from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.learner import Learner
from astermind_lab.core.ledger import digest
from astermind_lab.core.pool import Pool
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
            undos.append(learner.add(NEW[number], label, judge=number % 3 > 0))
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
        learner.add(text, label, judge=len(ridges) % 2 > 0)
        ridges.append((learner.model.readout.ridge, learner.model.calibration))
    changed = [n + 1 for n in range(1, 45) if ridges[n] != ridges[n - 1]]
    assert changed == [10, 20, 40]


def test_ridge_stays_while_there_is_one_label_only_and_for_a_layer_that_has_seen_labels() -> None:
    learner = Learner(BLANK.copy())
    for text in NEW[:25]:
        learner.add(text, "music", judge=True)
    assert learner.model.readout.ridge == BLANK.readout.ridge and learner.classes == 1
    learner.add(NEW[30], "travel", judge=True)
    assert learner.model.readout.ridge != BLANK.readout.ridge and learner.classes == 2
    fitted = Learner(FITTED.copy())
    for text, label in zip(NEW * 3, TRUTH * 3, strict=True):
        fitted.add(text, label, judge=False)
    assert fitted.model.readout.ridge == FITTED.readout.ridge


def test_accuracy_rests_on_no_text_that_was_picked() -> None:
    fitted = Learner(FITTED.copy())
    n, before = len(fitted.judge), fitted.model.accuracy
    undos = [fitted.add(text, label, judge=False) for text, label in zip(NEW, TRUTH, strict=True)]
    assert len(fitted.judge) == n and fitted.picked == {digest(text) for text in NEW}
    for undo in reversed(undos):
        undo()
    assert not fitted.picked and fitted.judge.accuracy() == before

    learner = Learner(BLANK.copy())
    for place, (text, label) in enumerate(zip(NEW, TRUTH, strict=True)):
        learner.add(text, label, judge=place % 2 == 0)
    picked = {digest(text) for text in NEW[1::2]}
    assert (len(learner.judge), learner.picked) == (30, picked)
    again = Learner(TextClassifier.from_bytes(learner.model.to_bytes()))
    assert again.picked == picked  # a model of another day
    retrained = Learner(TextClassifier.fit(NEW, TRUTH, SMALL), learner.picked)
    assert len(retrained.judge) == 30 and retrained.model.n_examples == 60
    assert retrained.judge.accuracy() == retrained.model.accuracy
    assert np.allclose(retrained.judge.scores, retrained.model.leave_one_out()[0], atol=1e-9)


def test_picked_texts_may_judge_after_all() -> None:
    learner = Learner(BLANK.copy())
    for place, (text, label) in enumerate(zip(NEW, TRUTH, strict=True)):
        learner.add(text, label, judge=place % 2 == 0)
    before = learner.model.copy()
    undo = learner.judge_too([NEW[1], NEW[5]], [TRUTH[1], TRUTH[5]])
    assert len(learner.judge) == 32 and digest(NEW[1]) not in learner.picked
    assert np.allclose(learner.judge.scores, learner.model.leave_one_out()[0], atol=1e-9)
    more = learner.add("one more song", "music", judge=True)
    assert np.allclose(learner.judge.scores, learner.model.leave_one_out()[0], atol=1e-9)
    more()
    undo()
    assert same(learner.model, before) and digest(NEW[1]) in learner.picked


def test_texts_drawn_by_chance_tell_the_accuracy_on_new_ones() -> None:
    texts, labels = corpus(500, seed=11)
    new, truth = corpus(1000, seed=12)
    judged, picked, real = [], [], []
    for seed in range(3):
        learner = Learner(TextClassifier.untaught(texts, (), SMALL))
        pool = Pool(learner.model, texts)
        order = np.random.default_rng(seed).permutation(len(texts))
        for n in range(120):
            place = next(i for i in order if pool.open[i]) if n % 2 else pool.best()
            pool.open[place] = False
            learner.add(texts[place], labels[place], judge=n % 2 == 1)
        judged.append(learner.judge.accuracy().value)
        real.append(np.mean(np.array(learner.model.predict(new)) == np.array(truth)))
        picked.append(left_out(learner.model)[::2].mean())
    assert abs(np.mean(judged) - np.mean(real)) < 0.07
    assert np.mean(picked) < np.mean(real) - 0.1


def left_out(model: TextClassifier) -> np.ndarray:
    """Whether leave-one-out is right on each example."""
    rows = model.layer.expand(model.ledger.coordinates)
    labels = model.ledger.labels.astype(np.intp)
    scores = model.readout.leave_one_out(rows, labels, np.ones(len(labels)))
    return np.asarray(scores.argmax(1) == labels)
