"""The texts behind a drift."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import Lab
from astermind_lab.settings import Settings
from tests.lab.data import EXAMPLES, SMALL
from tests.lab.test_drifting import NOW, START, THEN, log

NEW = ["rain rain rain", "storm and snow", "sunny forecast", "cloudy rain", "snow storm today"]


def asked(lab: Lab, texts: list[str], window: dict[str, Any], n: int, model_id: str) -> None:
    chance = random.Random(n)
    moments = [window["start"] + place * timedelta(seconds=30) for place in range(n)]
    lab.predict_many(model_id, chance.choices(texts, k=n), log_prediction=True, timestamps=moments)


@pytest.fixture
def moved(trained: Lab) -> Lab:
    """A model that was asked about everything, and is asked about the weather as well now."""
    texts = [example["text"] for example in EXAMPLES if example["label"] != "weather"]
    asked(trained, texts, THEN, 300, "topics")
    asked(trained, texts + NEW * 8, NOW, 200, "topics")
    return trained


def test_new_texts_come_first_and_each_once(moved: Lab) -> None:
    found = moved.find_drifted_texts("topics", THEN, NOW, limit=5)
    assert (found.status, found.method, found.searched, found.note) == (
        "ok",
        "discriminant",
        200,
        "",
    )
    assert {one.input for one in found.texts} == set(NEW)
    scores = [one.score for one in found.texts]
    assert scores == sorted(scores, reverse=True) and scores[-1] > 0
    logged = {row.record_id: row for row in moved.store.predictions.window("topics")}
    for one in found.texts:
        row = logged[one.prediction_id]
        assert (one.input, one.prediction, one.confidence) == (
            row.input,
            row.prediction,
            row.confidence,
        )
        assert one.timestamp == row.timestamp >= NOW["start"]
    more = moved.find_drifted_texts("topics", THEN, NOW, limit=200)
    assert list(more.texts[:5]) == list(found.texts) and all(one.score > 0 for one in more.texts)
    assert len({one.input for one in more.texts}) == len(more.texts) > 5
    assert NEW[0] in str(found)


def test_where_nothing_moved_chance_is_named(trained: Lab) -> None:
    texts = [example["text"] for example in EXAMPLES]
    asked(trained, texts, THEN, 300, "topics")
    asked(trained, texts, NOW, 150, "topics")
    assert trained.find_drifted_texts("topics", THEN, NOW).note.startswith("chance alone")


def test_without_features_the_labels_have_to_do(lab: Lab) -> None:
    log(lab, THEN["start"], {"a": 0.5, "b": 0.5}, 300, 1)
    log(lab, NOW["start"], {"a": 0.5, "b": 0.3, "c": 0.2}, 200, 1)
    for place, text in enumerate(["one", "two", "one"]):
        at = NOW["start"] + timedelta(hours=4, minutes=place)
        lab.log_prediction("m", text, "c", 0.9, timestamp=at)
    found = lab.find_drifted_texts("m", THEN, NOW, limit=3)
    assert (found.status, found.method) == ("ok", "labels")
    assert "no features" in found.note and "chance" not in found.note
    assert [one.prediction for one in found.texts] == ["c", "c", "c"]
    assert {one.input for one in found.texts} == {"one", "two", "text"}
    assert len({one.score for one in found.texts}) == 1 and found.texts[0].score > 3


def test_too_little_is_said_to_be(lab: Lab) -> None:
    nothing = lab.find_drifted_texts("m", THEN, NOW)
    assert (nothing.status, nothing.method, nothing.texts) == ("insufficient_data", None, [])
    assert "needs at least 10 predictions" in nothing.note
    log(lab, THEN["start"], {"a": 1}, 20, 1)
    log(lab, NOW["start"], {"a": 1}, 20, 1)
    same = lab.find_drifted_texts("m", THEN, NOW).to_dict()
    assert (same["status"], same["searched"]) == ("insufficient_data", 0)
    assert "no label has a larger share" in same["note"]


def test_predictions_that_are_kept_no_more_cannot_be_looked_at(moved: Lab) -> None:
    moved.store.retention.expire_predictions(START + timedelta(days=1))
    found = moved.find_drifted_texts("topics", THEN, NOW)
    assert (found.status, found.texts) == ("insufficient_data", [])
    assert "is kept" in found.note


def test_where_texts_are_not_kept_their_digests_tell_them_apart(settings: Settings) -> None:
    monitoring = settings.monitoring.model_copy(update={"store_inputs": "hash"})
    without = settings.model_copy(update={"monitoring": monitoring})
    with Lab.open("mem://", settings=without) as lab:
        lab.train_classifier("topics", EXAMPLES, SMALL)
        asked(lab, [example["text"] for example in EXAMPLES][30:], THEN, 200, "topics")
        asked(lab, NEW[:3], NOW, 60, "topics")
        found = lab.find_drifted_texts("topics", THEN, NOW)
        assert [one.input for one in found.texts] == [None] * 3


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"limit": 0}, "limit: must be from 1 to 200"),
        ({"current_window": "now"}, "current_window: must be an object"),
        ({"version": " "}, "version: "),
    ],
)
def test_bad_arguments_are_named(lab: Lab, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{reason}"):
        lab.find_drifted_texts("m", **{"baseline_window": THEN, "current_window": NOW, **given})
