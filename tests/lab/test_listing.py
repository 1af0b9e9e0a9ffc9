"""The predictions behind the figures, through the lab."""

from __future__ import annotations

from datetime import timedelta

import pytest

from astermind_lab.clock import FixedClock
from astermind_lab.errors import InvalidInput
from astermind_lab.lab import Lab
from tests.lab.test_measuring import START, log_many


def test_the_keys_of_a_prediction(lab: Lab, clock: FixedClock) -> None:
    logged = lab.log_prediction(
        "m", "Some text", "a", 0.5, "b", {"k": [1, None]}, "v1", latency_ms=2.5, key="k1"
    )
    plain = lab.list_predictions("m").to_dict()
    assert list(plain) == ["model_id", "predictions", "next", "searched_from"]
    assert (plain["next"], plain["searched_from"]) == (None, None)
    [item] = plain["predictions"]
    assert item == {
        "prediction_id": logged.record_id,
        "timestamp": clock.now().isoformat().replace("+00:00", "Z"),
        "input": "Some text",
        "prediction": "a",
        "confidence": 0.5,
        "ground_truth": "b",
        "latency_ms": 2.5,
        "version": "v1",
        "metadata": {"k": [1, None]},
        "key": "k1",
    }
    assert lab.record_feedback("a", prediction_id=item["prediction_id"]).status == "recorded"
    assert lab.list_predictions("m").predictions[0].ground_truth == "a"


def test_the_newest_come_first_and_pages_follow(lab: Lab) -> None:
    log_many(lab, 120)
    texts, before = [], None
    for size in (50, 50, 20):
        page = lab.list_predictions("m", before=before)
        assert len(page.predictions) == size
        texts += [one.input for one in page.predictions]
        before = page.next
    assert before is None
    assert texts == [f"text {i}" for i in range(119, -1, -1)]
    window = {"start": START + timedelta(minutes=7), "end": START + timedelta(minutes=9)}
    found = lab.list_predictions("m", window)
    assert [one.input for one in found.predictions] == ["text 9", "text 8", "text 7"]


def test_a_cell_of_the_matrix_is_as_large_as_its_list(lab: Lab) -> None:
    log_many(lab, 200)
    for truth, row in lab.get_confusion_matrix("m").confusion_matrix.items():
        for answer, n in row.items():
            page = lab.list_predictions("m", prediction=answer, ground_truth=truth, limit=500)
            assert len(page.predictions) == n
            assert {(p.ground_truth, p.prediction) for p in page.predictions} <= {(truth, answer)}
    accuracy = lab.get_model_metrics("m").metrics.accuracy
    right, wrong = (
        lab.list_predictions("m", correct=kind, limit=500).predictions for kind in (True, False)
    )
    assert accuracy is not None
    assert len(right) / (len(right) + len(wrong)) == accuracy.value


def test_a_search_and_an_alias(lab: Lab) -> None:
    for version in ("v1", "v2"):
        lab.log_prediction("m", f"{version} says HELLO", "a", 0.5, version=version)
    found = lab.list_predictions("m", version="v1", search="says hello")
    assert [one.input for one in found.predictions] == ["v1 says HELLO"]
    assert lab.list_predictions("m", search="goodbye").predictions == []
    assert "No such prediction" in str(lab.list_predictions("m", search="goodbye"))
    assert "v2 says HELLO" in str(lab.list_predictions("m"))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"limit": 0}, "limit: must be from 1 to 500"),
        ({"limit": 501}, "limit: "),
        ({"before": "abc"}, "before: 'abc' is not the next"),
        ({"before": 5}, "before: must be text"),
        ({"correct": "yes"}, "correct: must be true or false"),
        ({"search": " "}, "search: is blank"),
        ({"prediction": ""}, "prediction: is blank"),
        ({"ground_truth": 3}, "ground_truth: "),
        ({"time_range": {"start": "2026-02-02", "end": "2026-02-01"}}, "time_range: "),
        ({"version": ""}, "version: "),
    ],
)
def test_bad_arguments_are_named(lab: Lab, given: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{reason}"):
        lab.list_predictions("m", **given)  # type: ignore[arg-type]
