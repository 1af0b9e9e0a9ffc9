"""Training, and the models in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from astermind_lab.clock import FixedClock
from astermind_lab.errors import AlreadyExists, InsufficientData, InvalidInput, NotFound
from astermind_lab.estimate import Estimate
from astermind_lab.lab import Lab
from tests.lab.data import EXAMPLES, SMALL, TOPICS


def test_the_answer_has_the_documented_keys(lab: Lab) -> None:
    result = lab.train_classifier("topics", EXAMPLES, SMALL)
    plain = result.to_dict()
    assert {"success", "model_id", "categories", "training_examples", "config"} <= set(plain)
    assert {"loo_accuracy", "train_ms", "warnings"} <= set(plain)
    assert "persisted" not in plain
    assert "version" not in plain
    assert plain["success"] is True
    assert plain["categories"] == list(TOPICS)
    assert plain["training_examples"] == len(EXAMPLES)
    assert plain["config"]["hidden_units"] == 64
    assert list(plain["loo_accuracy"]) == ["value", "low", "high", "n", "method"]
    assert isinstance(result.accuracy, Estimate)
    assert result.accuracy.n == len(EXAMPLES)


def test_with_persist_it_is_a_version_named_by_the_time(lab: Lab, clock: FixedClock) -> None:
    first = lab.train_classifier("m", EXAMPLES, SMALL, persist=True, tags=["a"], description="d")
    again = lab.train_classifier("m", EXAMPLES, SMALL, persist=True, overwrite=True)
    clock.advance(1)
    later = lab.train_classifier(
        "m",
        EXAMPLES,
        SMALL,
        persist=True,
        overwrite=True,
        progress=lambda share, doing: clock.advance(0.001),
    )
    assert first.to_dict()["persisted"] is True
    assert first.version == "20260101T000000.000000Z"
    assert again.version == "20260101T000000.000001Z"
    assert later.version == f"{clock.now():%Y%m%dT%H%M%S.%fZ}"
    stored = lab.list_model_versions("m").versions
    assert [v.version for v in stored] == [later.version, again.version, first.version]
    assert (stored[2].tags, stored[2].description) == (("a",), "d")


def test_training_from_a_stored_data_set(lab: Lab) -> None:
    lab.store_training_dataset("set", EXAMPLES)
    result = lab.train_classifier("m", dataset_id="set", config=SMALL, persist=True, version="1")
    assert result.training_examples == len(EXAMPLES)
    assert lab.list_model_versions("m").versions[0].dataset_id == "set"
    with pytest.raises(NotFound, match=r"^dataset_id: "):
        lab.train_classifier("other", dataset_id="no such set")


def test_a_model_in_memory_is_kept_unless_overwritten(trained: Lab) -> None:
    with pytest.raises(AlreadyExists, match=r"^model_id: .*overwrite"):
        trained.train_classifier("topics", EXAMPLES[:20], SMALL)
    result = trained.train_classifier("topics", EXAMPLES[::2], SMALL, overwrite=True)
    assert trained.list_models().models[0].training_examples == result.training_examples


def test_a_version_that_is_taken_is_refused_before_training(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="1")
    lab.delete_model("m")
    called: list[float] = []
    with pytest.raises(AlreadyExists, match=r"^version: '1'"):
        lab.train_classifier(
            "m",
            EXAMPLES,
            SMALL,
            persist=True,
            version="1",
            progress=lambda share, doing: called.append(share),
        )
    assert called == []


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"model_id": " "}, "model_id"),
        ({"model_id": "a\0b"}, "model_id"),
        ({"training_data": []}, "training_data"),
        ({"training_data": None}, "training_data"),
        ({"training_data": [{"text": "a", "label": ""}]}, "training_data"),
        ({"training_data": [{"text": "a", "labell": "b"}]}, "training_data"),
        ({"training_data": [{"text": "a", "label": "x"}] * 9}, "training_data"),
        ({"config": {"hiddenUnitz": 5}}, "config"),
        ({"config": {"hiddenUnits": 10**9}}, "config"),
        ({"config": "big"}, "config"),
        ({"tags": "spam"}, "tags"),
        ({"persist": "yes"}, "persist"),
        ({"version": "1"}, "version"),
        ({"overwrite": 1}, "overwrite"),
        ({"description": 5}, "description"),
        ({"dataset_id": ""}, "dataset_id"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_left(
    lab: Lab, arguments: Mapping[str, Any], argument: str
) -> None:
    good = {"model_id": "m", "training_data": EXAMPLES, "config": SMALL}
    with pytest.raises(InvalidInput) as caught:
        lab.train_classifier(**{**good, **arguments})
    assert str(caught.value).startswith(f"{argument}: ")
    assert lab.list_models().models == []


def test_one_label_is_insufficient_data(lab: Lab) -> None:
    with pytest.raises(InsufficientData, match=r"^training_data: "):
        lab.train_classifier("m", [("a text", "x"), ("another text", "x")] * 5, SMALL)


def test_progress_is_reported(lab: Lab) -> None:
    shares: list[float] = []
    lab.train_classifier("m", EXAMPLES, SMALL, progress=lambda share, doing: shares.append(share))
    assert shares
    assert all(0 <= share <= 1 for share in shares)
    assert shares == sorted(shares)


def test_the_list_holds_what_is_in_memory_and_what_is_stored(lab: Lab, clock: FixedClock) -> None:
    lab.train_classifier("kept", EXAMPLES, SMALL, persist=True, version="1", description="why")
    clock.advance(1)
    lab.train_classifier("loose", EXAMPLES, SMALL)
    lab.predict("loose", "rain")
    lab.delete_model("kept")
    plain = lab.list_models().to_dict()["models"]
    assert list(plain[0]) == [
        "id",
        "type",
        "created",
        "lastUsed",
        "categories",
        "description",
        "trainingExamples",
        "version",
        "persisted",
    ]
    kept, loose = plain
    assert (kept["id"], kept["version"], kept["persisted"]) == ("kept", "1", True)
    assert (kept["description"], kept["lastUsed"]) == ("why", None)
    assert (loose["id"], loose["version"], loose["persisted"]) == ("loose", None, False)
    assert loose["lastUsed"] == "2026-01-01T00:00:01Z"


def test_deleting_leaves_memory_only(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="1")
    lab.train_classifier("n", EXAMPLES, SMALL)
    assert lab.delete_model("m").to_dict() == {
        "success": True,
        "message": "Removed 'm' from memory. Version '1' stays stored.",
    }
    assert lab.delete_model("m").success is False
    assert lab.predict("m", "rain").category == "weather"
    assert lab.delete_model("n").success is True
    with pytest.raises(NotFound):
        lab.predict("n", "rain")


def test_a_saved_model_describes_itself(trained: Lab) -> None:
    plain = trained.save_model("topics").to_dict()
    assert list(plain) == ["model_id", "metadata", "summary", "note"]
    assert list(plain["summary"]) == ["config", "metrics", "model_info"]
    assert plain["summary"]["model_info"]["training_examples"] == len(EXAMPLES)
    assert plain["summary"]["metrics"]["accuracy"]["n"] == len(EXAMPLES)
    assert plain["metadata"]["persisted"] is False
