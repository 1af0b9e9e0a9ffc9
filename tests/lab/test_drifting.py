"""Comparing windows through the lab."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import Lab
from astermind_lab.settings import Settings
from tests.lab.data import EXAMPLES, SMALL

START = datetime(2026, 3, 1, tzinfo=UTC)
THEN = {"start": START, "end": START + timedelta(hours=5)}
NOW = {"start": START + timedelta(hours=6), "end": START + timedelta(hours=11)}


def log(lab: Lab, start: datetime, shares: dict[str, float], n: int, accuracy: float) -> None:
    """n predictions within five hours, each with its truth, labels in these shares."""
    chance = random.Random(n)
    for place in range(n):
        [label] = chance.choices(list(shares), list(shares.values()))
        truth = label if chance.random() < accuracy else "other"
        lab.log_prediction(
            "m",
            "text",
            label,
            chance.betavariate(6, 2),
            ground_truth=truth,
            timestamp=start + place * timedelta(hours=5) / n,
        )


def test_the_keys_of_the_vocabulary(lab: Lab) -> None:
    log(lab, THEN["start"], {"a": 0.5, "b": 0.5}, 300, 0.9)
    log(lab, NOW["start"], {"a": 0.95, "b": 0.05}, 300, 0.9)
    plain = lab.detect_drift("m", THEN, NOW).to_dict()
    analysis = plain["drift_analysis"]
    assert (analysis["status"], analysis["drift_detected"]) == ("ok", True)
    assert analysis["drift_score"] > 0.1 and analysis["p_value"] < 0.01
    assert analysis["drifted"] == ["labels"]
    assert (analysis["baseline_sample_count"], analysis["current_sample_count"]) == (300, 300)
    for name in ("baseline", "current"):
        assert sum(analysis[f"{name}_distribution"].values()) == pytest.approx(1)
    assert [one["detector"] for one in analysis["detectors"]] == [
        "labels",
        "confidence",
        "inputs",
        "separability",
        "performance",
    ]
    assert plain["baseline_window"]["start"] == "2026-03-01T00:00:00Z"
    assert "drift: labels" in str(lab.detect_drift("m", THEN, NOW))


def test_the_threshold_decides_what_matters(lab: Lab) -> None:
    log(lab, THEN["start"], {"a": 0.5, "b": 0.5}, 400, 1)
    log(lab, NOW["start"], {"a": 0.7, "b": 0.3}, 400, 1)
    small = lab.detect_drift("m", THEN, NOW, threshold=0.001).drift_analysis
    large = lab.detect_drift("m", THEN, NOW, threshold=0.5).drift_analysis
    assert (small.drift_detected, large.drift_detected) == (True, False)
    assert small.drift_score == large.drift_score
    assert large.p_value is not None and large.p_value < 0.01  # seen, but it does not matter


def test_a_fall_in_accuracy_is_drift(lab: Lab) -> None:
    log(lab, THEN["start"], {"a": 0.5, "b": 0.5}, 300, 0.95)
    log(lab, NOW["start"], {"a": 0.5, "b": 0.5}, 300, 0.6)
    found = lab.detect_drift("m", THEN, NOW, detectors=["performance"]).drift_analysis
    assert (list(found.drifted), found.drift_score) == (["performance"], None)


def test_too_little_is_said_to_be(lab: Lab) -> None:
    nothing = lab.detect_drift("m", THEN, NOW).drift_analysis
    assert (nothing.status, nothing.drift_detected) == ("insufficient_data", False)
    assert nothing.drift_score is None
    log(lab, THEN["start"], {"a": 1}, 3, 1)
    log(lab, NOW["start"], {"b": 1}, 3, 1)
    assert lab.detect_drift("m", THEN, NOW).drift_analysis.status == "insufficient_data"
    assert lab.estimate_accuracy("m", THEN, NOW).status == "insufficient_data"


def test_inputs_are_seen_through_the_hidden_layer(trained: Lab) -> None:
    texts = [example["text"] for example in EXAMPLES] * 4
    first = sorted(texts)[: len(texts) // 3]
    for window, some in ((THEN, texts), (NOW, first)):
        moments = [window["start"] + place * timedelta(seconds=9) for place in range(len(some))]
        trained.predict_many("topics", some, log_prediction=True, timestamps=moments)
    found = trained.detect_drift("topics", THEN, NOW, detectors=["inputs", "separability"])
    assert "inputs" in found.drift_analysis.drifted
    same = trained.detect_drift("topics", THEN, THEN, detectors=["inputs", "separability"])
    assert not same.drift_analysis.drift_detected


def test_accuracy_without_truths(lab: Lab) -> None:
    log(lab, THEN["start"], {"a": 0.5, "b": 0.5}, 400, 0.9)
    chance = random.Random(5)
    for place in range(200):
        lab.log_prediction(
            "m",
            "text",
            chance.choice("ab"),
            chance.betavariate(6, 2),
            timestamp=NOW["start"] + place * timedelta(minutes=1),
        )
    found = lab.estimate_accuracy("m", THEN, NOW)
    assert found.status == "ok" and found.low is not None and found.high is not None
    assert found.low <= 0.9 <= found.high
    assert found.confidence is not None and "confidence" in found.confidence.assumption
    assert lab.estimate_accuracy("m", THEN, NOW).to_dict()["baseline_truths"] == 400


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"threshold": 0.7}, "threshold: must be from 0 to 0.6931"),
        ({"threshold": float("nan")}, "threshold: "),
        ({"alpha": 0}, "alpha: "),
        ({"detectors": ["label"]}, "detectors: 'label' is not one of .* Did you mean 'labels'"),
        ({"detectors": []}, "detectors: is empty"),
        ({"current_window": {"start": "2026-02-02", "end": "2026-02-01"}}, "current_window: "),
        ({"baseline_window": "yesterday"}, "baseline_window: must be an object"),
        ({"version": " "}, "version: "),
    ],
)
def test_bad_arguments_are_named(lab: Lab, given: dict[str, object], reason: str) -> None:
    arguments = {"baseline_window": THEN, "current_window": NOW, **given}
    with pytest.raises(InvalidInput, match=f"^{reason}"):
        lab.detect_drift("m", **arguments)  # type: ignore[arg-type]


def test_versions_and_aliases_are_told_apart(lab: Lab) -> None:
    for version, label in (("v1", "a"), ("v2", "b")):
        for place in range(60):
            lab.log_prediction(
                "m",
                "text",
                label,
                0.9,
                label,
                version=version,
                timestamp=START + place * timedelta(minutes=4),
            )
    assert lab.get_model_metrics("m", version="v1").metrics.predictions_per_label == {"a": 60}
    assert lab.get_confusion_matrix("m", version="v2").labels == ["b"]
    assert lab.get_model_metrics("m", version="none").metrics.total_predictions == 0
    series = lab.get_metric_series("m", THEN, "hour", version="v1")
    assert [point.total_predictions for point in series.points] == [15, 15, 15, 15]
    assert lab.get_metric_series("m", THEN, "day").points[0].truths == 120
    with pytest.raises(InvalidInput, match=r"^step: 'week' is not one of"):
        lab.get_metric_series("m", THEN, "week")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"^step: minute gives more than 5,000 points"):
        lab.get_metric_series("m", {"start": "2020-01-01"}, "minute")


def test_texts_of_a_model_in_memory_carry_drift_features_however_they_are_logged(
    trained: Lab,
) -> None:
    trained.log_prediction("topics", "rain please", "weather", 0.9)
    trained.log_prediction("topics", "rain please", "weather", 0.9, version="another")
    trained.predict("topics", "rain please", log_prediction=True)
    trained.flush()
    logged = {row.version: row for row in trained.store.predictions.window("topics")}
    assert logged["another"].features is None
    found = [row.features for row in trained.store.predictions.window("topics")]
    assert found[0] == found[2] is not None


def test_drift_of_inputs_needs_no_texts(settings: Settings) -> None:
    monitoring = settings.monitoring.model_copy(update={"store_inputs": "none"})
    without = settings.model_copy(update={"monitoring": monitoring})
    texts = [example["text"] for example in EXAMPLES] * 4
    with Lab.open("mem://", settings=without) as lab:
        lab.train_classifier("topics", EXAMPLES, SMALL)
        for window, some in ((THEN, texts), (NOW, sorted(texts)[: len(texts) // 3])):
            moments = [window["start"] + place * timedelta(seconds=9) for place in range(len(some))]
            lab.predict_many("topics", some, log_prediction=True, timestamps=moments)
        found = lab.detect_drift("topics", THEN, NOW, detectors=["inputs"]).drift_analysis
        assert found.drift_detected
        assert {row.input for row in lab.store.predictions.window("topics")} == {None}
