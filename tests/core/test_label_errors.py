from __future__ import annotations

import numpy as np
import pytest

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.doubts import Doubts
from astermind_lab.core.judge import Judge
from astermind_lab.core.label_errors import (
    RIVAL,
    own_rows,
    suspects,
    suspicion,
    unseen_scores,
    usual_confidence,
)
from astermind_lab.core.readout import RidgeReadout, scatter_and_moments
from astermind_lab.errors import InvalidInput
from tests.core.corpus import TOPICS, corpus

TEXTS, CLEAN = corpus(1200, noise=0)
NAMES = list(TOPICS)
FLIPPED = np.sort(np.random.default_rng(0).permutation(1200)[:60])
LABELS = list(CLEAN)
for _row in FLIPPED.tolist():
    LABELS[_row] = NAMES[(NAMES.index(CLEAN[_row]) + 1 + _row % 3) % 4]


@pytest.fixture(scope="module")
def model() -> TextClassifier:
    return TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=48, balance=0.5))


def test_unseen_scores_are_those_of_refits_without_the_example(model: TextClassifier) -> None:
    unseen = unseen_scores(model, TEXTS, LABELS)
    assert sorted(unseen.rows.tolist()) == list(range(1200))
    hidden = model.layer.expand(model._steps(range(1200), TEXTS))
    labels = model.ledger.labels.astype(int)
    for row in range(0, 1200, 100):  # of the layer part and of the judged part
        rest = np.arange(1200) != row
        refit = RidgeReadout.empty(hidden.shape[1], 4, model.readout.ridge)
        weights = model.class_weights[labels[rest]]
        refit.accumulate(*scatter_and_moments(hidden[rest], labels[rest], weights, 4))
        assert np.allclose(unseen.scores[row], refit.scores(hidden[row][None])[0], atol=1e-8)


def test_what_the_model_never_had_is_predicted(model: TextClassifier) -> None:
    texts = [TEXTS[0], TEXTS[0], "rain and fog", "the guitar"]
    labels = [LABELS[0], LABELS[0], "weather", "no such label"]
    unseen = unseen_scores(model, texts, labels)
    held = sum(a == TEXTS[0] and b == LABELS[0] for a, b in zip(TEXTS, LABELS, strict=True))
    assert (unseen.rows[:2] >= 0).tolist() == [True, held > 1]
    assert unseen.rows[2:].tolist() == [-1, -1] and unseen.labels[3] == -1
    assert np.allclose(unseen.scores[2:], model.scores(texts[2:]))
    assert suspicion(unseen.scores, unseen.labels)[3] > suspicion(unseen.scores, unseen.labels)[2]


def test_equal_examples_have_a_row_each(model: TextClassifier) -> None:
    twice = model.copy()
    twice.add(["the same"] * 3, ["music", "music", "travel"])
    rows = own_rows(
        twice.ledger,
        twice.categories,
        ["the same"] * 4 + ["else"],
        ["music", "travel", "music", "music", "music"],
    )
    assert sorted(rows[[0, 2]].tolist()) == [1200, 1201]
    assert rows[[1, 3, 4]].tolist() == [1202, -1, -1]


def test_labels_that_were_changed_are_found(model: TextClassifier) -> None:
    unseen = unseen_scores(model, TEXTS, LABELS)
    order = np.argsort(-suspicion(unseen.scores, unseen.labels))
    assert np.isin(order[:60], FLIPPED).mean() > 0.9
    chances = model.calibration(unseen.scores)
    found = suspects(chances, unseen.labels, usual_confidence(chances, unseen.labels))
    assert found[FLIPPED].mean() > 0.6 and found.sum() < 2 * len(FLIPPED)


def test_a_label_has_no_say_in_what_is_said_of_it() -> None:
    # labels without meaning: a model that had seen them would agree with them
    labels = [NAMES[k] for k in np.random.default_rng(1).integers(4, size=1200)]
    blind = TextClassifier.fit(TEXTS, labels, ElmConfig(hidden_units=48))
    unseen = unseen_scores(blind, TEXTS, labels)
    assert 0.2 < (unseen.scores.argmax(1) == unseen.labels).mean() < 0.3


def test_suspicion_and_suspects_are_what_they_are_said_to_be() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((40, 3))
    values /= values.sum(1, keepdims=True)
    labels = rng.integers(-1, 3, size=40)
    usual = usual_confidence(values, labels)
    assert usual == pytest.approx([values[labels == k, k].mean() for k in range(3)])
    found = suspects(values, labels, usual)
    score = suspicion(values, labels)
    for i, label in enumerate(labels.tolist()):
        rivals = [values[i, k] for k in range(3) if k != label]
        own = values[i, label] if label >= 0 else -1.0
        assert score[i] == pytest.approx(RIVAL * max(rivals) - own)
        best = int(values[i].argmax())
        assert found[i] == (best != label and values[i, best] >= usual[best])
    some = labels != 1
    without = usual_confidence(values[some], labels[some])
    own = [values[i, k] for i, k in enumerate(labels.tolist()) if k in (0, 2)]
    assert without[1] == pytest.approx(np.mean(own))
    later = np.hstack((values / 10, np.full((40, 1), 0.9)))
    assert not suspects(later, labels, usual).any()


def test_doubts_follow_the_model(model: TextClassifier) -> None:
    judge = Judge(model.copy())
    doubts = Doubts(judge.model, TEXTS, LABELS, 200)
    assert np.isin(FLIPPED, doubts.items).mean() > 0.9 and len(doubts.items) == 200
    for place in range(0, 200, 20):
        judge.relabel_row(int(doubts.rows[place]), TEXTS[doubts.items[place]], "a new label")
    now = [judge.model.categories[k] for k in judge.model.ledger.labels]
    texts = [TEXTS[i] for i in doubts.items]
    labels = [now[row] for row in doubts.rows]
    unseen = unseen_scores(judge.model, texts, labels)
    assert unseen.rows.tolist() == doubts.rows.tolist()
    look = doubts.look()
    assert np.allclose(look.probabilities, judge.model.calibration(unseen.scores), atol=1e-9)
    assert np.allclose(look.suspicion, suspicion(unseen.scores, unseen.labels), atol=1e-9)
    assert look.wrong.tolist() == (unseen.scores.argmax(1) != unseen.labels).tolist()
    assert not (look.suspect & ~look.wrong).any() and doubts.look() is look
    judge.relabel_row(int(doubts.rows[0]), texts[0], "music")
    assert doubts.look() is not look


def test_a_margin_model_cannot_tell() -> None:
    model = TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=16, readout="margin"))
    with pytest.raises(InvalidInput, match="margin"):
        unseen_scores(model, TEXTS, LABELS)
