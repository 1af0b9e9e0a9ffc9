from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.judge import Judge
from astermind_lab.errors import InvalidInput
from tests.core.corpus import TOPICS, corpus

TEXTS, LABELS = corpus(1200)
NEW, NEW_LABELS = corpus(40, seed=7)
NAMES = [*TOPICS, "a new label", "another one"]
MODELS = {
    "judged part": TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=48)),
    "weights": TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=48, balance=0.8)),
    "little": TextClassifier.fit(TEXTS[:120], LABELS[:120], ElmConfig(hidden_units=32)),
    "untaught": TextClassifier.untaught(TEXTS[:300], ["music"], ElmConfig(hidden_units=32)),
}
CHANGES = st.tuples(st.sampled_from("afr"), st.integers(0, 39), st.sampled_from(NAMES))


def check(judge: Judge) -> None:
    """What the judge says is what leave-one-out says."""
    scores, labels = judge.model.leave_one_out()
    assert np.array_equal(judge.labels, labels)
    assert judge.scores.shape == scores.shape
    if not len(labels):
        assert judge.accuracy() is None and not judge.confusion().any()
        return
    if judge.model.n_examples == 1:
        return  # without it there is nothing that could be said
    assert np.abs(judge.scores - scores).max() < 1e-9
    counts = np.zeros((len(judge.model.categories),) * 2, int)
    np.add.at(counts, (labels, scores.argmax(1)), 1)
    assert np.array_equal(judge.confusion(), counts)
    told = judge.accuracy()
    assert (told.value, told.n) == (np.trace(counts) / len(labels), len(labels))


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=30, deadline=None)
@given(st.lists(CHANGES, max_size=12))
def test_it_follows_any_changes(name: str, changes: list[tuple[str, int, str]]) -> None:
    judge = Judge(MODELS[name].copy())
    held: dict[int, str] = {}  # of the new texts
    for kind, number, label in changes:
        if kind == "a" and number not in held:
            judge.add([NEW[number]], [label])
            held[number] = label
        elif kind == "f" and number in held:
            judge.forget([NEW[number]], [held.pop(number)])
        elif kind == "r" and number in held:
            judge.relabel(NEW[number], held[number], label)
            held[number] = label
        elif kind == "r" and judge.model.n_examples > 40:  # one that was there from the start
            old = LABELS[number]
            judge.relabel(TEXTS[number], old, label)
            check(judge)
            judge.relabel(TEXTS[number], label, old)
        check(judge)


@pytest.mark.parametrize("name", ["judged part", "little"])
def test_it_follows_where_everything_is_solved_anew(name: str) -> None:
    judge = Judge(MODELS[name].copy())
    check(judge)
    judge.add(NEW * 2, NEW_LABELS * 2)
    check(judge)
    judge.forget(TEXTS[:50], LABELS[:50])
    check(judge)
    judge.model.readout.set_ridge(2 * judge.model.readout.ridge)
    check(judge)


def test_it_follows_a_model_until_nothing_is_left() -> None:
    judge = Judge(MODELS["untaught"].copy())
    check(judge)
    for _ in range(2):
        for text, label in zip(NEW[:6], NEW_LABELS[:6], strict=True):
            judge.add([text], [label])
            check(judge)
        for text, label in zip(NEW[:6], NEW_LABELS[:6], strict=True):
            judge.forget([text], [label])
            check(judge)


def test_a_category_that_was_new_can_go_again() -> None:
    judge = Judge(MODELS["weights"].copy())
    before = judge.scores.copy()
    for _ in range(2):
        judge.add([NEW[0]], ["a new label"])
        check(judge)
        judge.forget([NEW[0]], ["a new label"])
        judge.drop_category()
        check(judge)
    assert np.abs(judge.scores - before).max() < 1e-9


def test_equal_texts_are_told_apart_by_their_row() -> None:
    judge = Judge(MODELS["little"].copy())
    judge.add([NEW[0]] * 2, ["music", "travel"])
    row = judge.model.n_examples - 2
    judge.relabel_row(row, NEW[0], "travel")
    check(judge)
    names = [judge.model.categories[k] for k in judge.model.ledger.labels[-2:]]
    assert names == ["travel", "travel"]


def test_a_judge_that_is_gone_is_followed_no_more() -> None:
    model = MODELS["little"].copy()
    Judge(model)
    model.add(NEW[:1], NEW_LABELS[:1])
    assert model.readout.followers == []


def test_a_margin_model_has_no_judge() -> None:
    model = TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=16, readout="margin"))
    with pytest.raises(InvalidInput, match="margin"):
        Judge(model)
