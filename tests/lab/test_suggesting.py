"""What to label next, and which labels to look at again."""

from __future__ import annotations

import pytest

from astermind_lab.errors import InvalidInput, NotFound
from astermind_lab.lab import Lab, suggesting
from tests.lab.data import EXAMPLES, SMALL

KNOWN = EXAMPLES[0]["text"]
FRESH = ["umbrella weather", "what of the bread and the loan", "snow or soup", "a price please"]
SURE = [f"tell me about {word} {word}" for word in ("rain", "invoice", "pasta")]


def test_suggestions_are_texts_the_model_does_not_know(trained: Lab) -> None:
    texts = [KNOWN, *FRESH, FRESH[0], *SURE]
    found = trained.suggest_labels("topics", texts, limit=3)
    assert (found.model_id, found.considered, len(found.suggestions)) == ("topics", 7, 3)
    for one in found.suggestions:
        assert texts.index(one.text) == one.place and one.text != KNOWN
        answer = trained.predict("topics", one.text)
        assert (one.category, one.confidence) == (answer.category, pytest.approx(answer.confidence))
    assert len({one.text for one in found.suggestions}) == 3
    assert len(trained.suggest_labels("topics", texts, limit=1000).suggestions) == 7


def test_suggestions_come_from_a_data_set_or_from_the_log(trained: Lab) -> None:
    rows = [{"text": text, "label": "whatever"} for text in [KNOWN, *FRESH]]
    trained.store_training_dataset("more", rows)
    found = trained.suggest_labels("topics", dataset_id="more")
    assert {one.text for one in found.suggestions} == set(FRESH)
    assert [one.place for one in found.suggestions] == [
        FRESH.index(one.text) + 1 for one in found.suggestions
    ]
    assert trained.suggest_labels("topics").suggestions == []
    for text in FRESH:
        truth = "food" if text == FRESH[1] else None
        trained.predict("topics", text, log_prediction=True, ground_truth=truth)
    logged = trained.suggest_labels("topics")
    assert {one.text for one in logged.suggestions} == {*FRESH} - {FRESH[1]}
    assert {one.text: one.place for one in logged.suggestions}[FRESH[-1]] == 0  # the newest


def test_of_very_many_texts_some_are_drawn(trained: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggesting, "MOST_CANDIDATES", 3)
    texts = [f"{text} {n}" for n in range(5) for text in FRESH]
    found = trained.suggest_labels("topics", texts)
    assert found.considered == len(found.suggestions) == 3
    assert all(texts[one.place] == one.text for one in found.suggestions)
    for text in FRESH:
        trained.predict("topics", text, log_prediction=True)
    assert trained.suggest_labels("topics").considered == 3


def test_label_errors_of_the_models_own_data_set_are_found(lab: Lab) -> None:
    rows = [dict(example) for example in EXAMPLES]
    wrong = [3, 40, 77]
    for place in wrong:
        rows[place]["label"] = "food" if rows[place]["label"] != "food" else "money"
    lab.store_training_dataset("rows", rows)
    lab.train_classifier("topics", dataset_id="rows", config=SMALL)
    found = lab.find_label_errors("topics", limit=5)
    assert (found.considered, found.method) == (90, "leave-one-out")
    assert {one.place for one in found.suspects[:3]} == set(wrong)
    for one in found.suspects:
        assert (one.text, one.label) == (rows[one.place]["text"], rows[one.place]["label"])
        assert one.suggested != one.label
    assert list(found.suspects) == sorted(found.suspects, key=lambda one: -one.score)
    assert (
        lab.find_label_errors("topics", dataset_id="rows", limit=2).suspects == (found.suspects[:2])
    )


def test_label_errors_of_other_examples_are_predicted(trained: Lab) -> None:
    rows = [("rain and snow and storm", "food"), ("pasta with bread", "food")]
    found = trained.find_label_errors("topics", examples=rows)
    assert (found.method, [one.place for one in found.suspects]) == ("held-out", [0])
    assert found.suspects[0].suggested == "weather"
    both = trained.find_label_errors("topics", examples=[*rows, *EXAMPLES])
    assert both.method == "leave-one-out and held-out"


def test_what_cannot_be_asked_is_refused(trained: Lab) -> None:
    for call, name in (
        (lambda: trained.suggest_labels("topics", [" "]), "texts"),
        (lambda: trained.suggest_labels("topics", FRESH, dataset_id="x"), "dataset_id"),
        (lambda: trained.suggest_labels("topics", FRESH, limit=0), "limit"),
        (lambda: trained.find_label_errors("topics"), "dataset_id"),
        (lambda: trained.find_label_errors("topics", examples=[]), "examples"),
        (lambda: trained.find_label_errors("topics", "x", EXAMPLES), "examples"),
    ):
        with pytest.raises(InvalidInput, match=f"^{name}: "):
            call()
    with pytest.raises(NotFound, match=r"^model_id: "):
        trained.suggest_labels("nobody", FRESH)
    with pytest.raises(NotFound, match=r"^dataset_id: "):
        trained.suggest_labels("topics", dataset_id="none")
    trained.train_classifier("margin", EXAMPLES, {**SMALL, "readout": "margin"})
    for ask in (
        lambda: trained.suggest_labels("margin", FRESH),
        lambda: trained.find_label_errors("margin", examples=EXAMPLES),
    ):
        with pytest.raises(InvalidInput, match=r"^model_id: .*margin"):
            ask()
