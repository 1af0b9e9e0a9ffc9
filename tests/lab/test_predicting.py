"""Predictions and embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import Lab
from astermind_lab.settings import Monitoring
from tests.lab.data import EXAMPLES, SMALL


def test_the_best_labels_come_first(trained: Lab) -> None:
    result = trained.predict("topics", "tell me about the storm", top_k=2)
    plain = result.to_dict()
    assert list(plain) == ["predictions", "latency_ms"]
    assert [list(p) for p in plain["predictions"]] == [["category", "confidence"]] * 2
    assert result.category == "weather"
    assert result.predictions[0].confidence >= result.predictions[1].confidence
    assert sum(p.confidence for p in trained.predict("topics", "x storm", 100).predictions) == (
        pytest.approx(1)
    )


def test_there_are_never_more_labels_than_the_model_has(trained: Lab) -> None:
    assert len(trained.predict("topics", "soup", top_k=100).predictions) == 3
    assert len(trained.predict("topics", "soup", top_k=1).predictions) == 1


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": "a\0"}, "text"),
        ({"text": "\udc80"}, "text"),
        ({"text": 5}, "text"),
        ({"model_id": ""}, "model_id"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 101}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"top_k": True}, "top_k"),
        ({"log_prediction": "yes"}, "log_prediction"),
        ({"ground_truth": " "}, "ground_truth"),
        ({"version": ""}, "version"),
        ({"topk": 3}, "topk"),
    ],
)
def test_bad_arguments_are_named(trained: Lab, arguments: Mapping[str, Any], argument: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        trained.predict(**{"model_id": "topics", "text": "rain", **arguments})
    assert str(caught.value).startswith(f"{argument}: ")


def test_a_megabyte_an_emoji_and_an_injection_are_texts_like_any_other(trained: Lab) -> None:
    for text in ("rain " * 200_000, "🌧️👩‍👩‍👧", "'; REMOVE TABLE models; --", "<b>rain</b>"):
        assert trained.predict("topics", text).predictions


def test_a_text_the_model_knows_nothing_of_is_answered_with_a_warning(trained: Lab) -> None:
    result = trained.predict("topics", "漢字")
    assert len(result.predictions) == 3
    assert result.to_dict()["warnings"]
    assert "warnings" not in trained.predict("topics", "rain").to_dict()


def test_a_logged_prediction_is_a_row_with_its_latency(any_lab: Lab) -> None:
    any_lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="1")
    result = any_lab.predict("m", "rain", log_prediction=True, ground_truth="weather")
    assert result.to_dict()["prediction_id"] == result.prediction_id
    any_lab.flush()
    [row] = any_lab.store.predictions.window("m", None, None)
    assert (row.input, row.prediction, row.ground_truth) == ("rain", "weather", "weather")
    assert (row.version, row.confidence) == ("1", pytest.approx(result.confidence))
    assert row.latency_ms == pytest.approx(result.latency_ms)
    assert row.record_id == result.prediction_id


def test_whether_to_log_is_asked_else_set_else_told_by_a_truth(trained: Lab) -> None:
    def logged() -> int:
        trained.flush()
        return trained.store.predictions.count("topics", None, None)

    trained.predict("topics", "rain")
    assert logged() == 0
    trained.predict("topics", "rain", ground_truth="weather")
    assert logged() == 1
    refused = trained.predict("topics", "rain", log_prediction=False, ground_truth="weather")
    assert logged() == 1
    assert "ground_truth was not kept" in refused.warnings[0]
    monitoring = Monitoring(log_predictions=True)
    trained.settings = trained.settings.model_copy(update={"monitoring": monitoring})
    trained.predict("topics", "rain")
    assert logged() == 2


def test_many_texts_are_answered_as_one_by_one(trained: Lab) -> None:
    texts = [example["text"] for example in EXAMPLES]
    many = trained.predict_many("topics", texts)
    for text, found in zip(texts, many.predictions, strict=True):
        single = trained.predict("topics", text)
        assert found.category == single.category
        assert found.confidence == pytest.approx(single.confidence, abs=1e-9)
    assert (many.total, many.logged) == (len(texts), 0)
    mixed = trained.predict_many("topics", ["rain", "漢字", "soup", "ГДЕ"])
    assert mixed.without_known_feature == 2
    assert "2 texts" in mixed.warnings[0]


def test_many_texts_are_logged_with_their_truths(trained: Lab) -> None:
    texts = [example["text"] for example in EXAMPLES]
    truths = [example["label"] for example in EXAMPLES]
    assert trained.predict_many("topics", texts, ground_truth=truths).logged == len(texts)
    trained.flush()
    rows = list(trained.store.predictions.window("topics", None, None))
    assert {r.latency_ms for r in rows} == {None}
    assert sorted((r.input, r.ground_truth) for r in rows) == sorted(
        zip(texts, truths, strict=True)
    )
    with pytest.raises(InvalidInput, match=r"^ground_truth: has 1 values for 2 texts"):
        trained.predict_many("topics", ["a", "b"], ground_truth=["x"])
    with pytest.raises(InvalidInput, match=r"^texts: item 1: is blank"):
        trained.predict_many("topics", ["a", " "])


def test_a_version_or_an_alias_can_be_asked(lab: Lab) -> None:
    swapped = [{"text": e["text"], "label": e["label"][::-1]} for e in EXAMPLES]
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="one")
    lab.train_classifier("m", swapped, SMALL, persist=True, version="two", overwrite=True)
    lab.set_alias("m", "champion", "one")
    assert lab.predict("m", "rain").category == "rehtaew"
    assert lab.predict("m", "rain", version="one").category == "weather"
    assert lab.predict("m", "rain", version="champion").category == "weather"
    lab.set_alias("m", "champion", "two")
    assert lab.predict("m", "rain", version="champion").category == "rehtaew"
    assert lab.predict_many("m", ["rain"], version="one").categories == ["weather"]


def test_an_embedding_has_one_number_per_hidden_unit(trained: Lab) -> None:
    result = trained.generate_embedding("topics", "rain")
    assert list(result.to_dict()) == ["embedding"]
    assert len(result.embedding) == trained.save_model("topics").summary["config"]["hidden_units"]
    assert all(type(value) is float for value in result.embedding)


def test_without_monitoring_only_what_is_asked_for_is_logged(trained: Lab) -> None:
    monitoring = Monitoring(enabled=False, log_predictions=True)
    trained.settings = trained.settings.model_copy(update={"monitoring": monitoring})
    plain = trained.predict("topics", "rain")
    told = trained.predict("topics", "rain", ground_truth="weather")
    assert plain.prediction_id is None
    assert "ground_truth was not kept" in told.warnings[0]
    assert trained.predict_many("topics", ["rain"], ground_truth=["weather"]).logged == 0
    assert trained.predict("topics", "rain", log_prediction=True).prediction_id is not None
    trained.flush()
    assert trained.store.predictions.count("topics", None, None) == 1
