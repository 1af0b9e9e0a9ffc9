"""The prediction log, and figures from it."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from astermind_lab.clock import FixedClock
from astermind_lab.errors import InvalidInput
from astermind_lab.lab import Lab

START = datetime(2026, 3, 1, tzinfo=UTC)
LABELS = ["a", "b", "c"]


def log_many(lab: Lab, n: int) -> list[tuple[str | None, str, float, float]]:
    """Log ``n`` predictions, one a minute; every fourth has no truth."""
    chance = random.Random(n)
    rows = []
    for i in range(n):
        truth, given = chance.choice(LABELS), chance.choice(LABELS)
        row = (truth if i % 4 else None, given, chance.random(), chance.random() * 10)
        lab.log_prediction(
            "m",
            f"text {i}",
            row[1],
            row[2],
            ground_truth=row[0],
            timestamp=START + timedelta(minutes=i),
            latency_ms=row[3],
        )
        rows.append(row)
    return rows


def test_a_logged_prediction_is_there(any_lab: Lab) -> None:
    result = any_lab.log_prediction(
        "elsewhere", "in", "a", 0.5, "b", {"k": [1]}, "v", "2026-03-01T12:00:00+02:00"
    )
    assert result.to_dict()["success"] is True
    any_lab.flush()
    [row] = any_lab.store.predictions.window("elsewhere", None, None)
    assert row.record_id == result.record_id
    assert (row.input, row.prediction, row.confidence) == ("in", "a", 0.5)
    assert (row.ground_truth, row.metadata, row.version) == ("b", {"k": [1]}, "v")
    assert row.timestamp == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_without_a_timestamp_it_is_now(lab: Lab, clock: FixedClock) -> None:
    clock.advance(5)
    assert lab.log_prediction("m", "in", "a", 1).timestamp == clock.now()


def test_metrics_are_those_of_scikit_learn(lab: Lab) -> None:
    rows = log_many(lab, 200)
    truths = [truth for truth, _, _, _ in rows if truth]
    given = [given for truth, given, _, _ in rows if truth]
    plain = lab.get_model_metrics("m").to_dict()
    assert list(plain) == ["model_id", "time_range", "metrics"]
    assert plain["time_range"] == {"start": None, "end": None}
    found = plain["metrics"]
    assert found["status"] == "ok"
    assert found["total_predictions"] == 200
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(truths, given))
    assert (found["accuracy"]["n"], found["accuracy"]["method"]) == (len(truths), "feedback")
    for kind in ("macro", "weighted"):
        expected = precision_recall_fscore_support(truths, given, average=kind)[:3]
        assert [found[m][kind] for m in ("precision", "recall", "f1")] == pytest.approx(expected)
    confidence, latency = np.mean([c for _, _, c, _ in rows]), [ms for *_, ms in rows]
    assert found["avg_confidence"] == pytest.approx(confidence, rel=1e-12)
    assert found["avg_latency_ms"] == pytest.approx(np.mean(latency), rel=1e-12)
    expected_quantiles = np.quantile(latency, [0.5, 0.95, 0.99])
    assert list(found["latency_ms"].values()) == pytest.approx(expected_quantiles, rel=0.01)
    for name, one in found["intervals"].items():
        assert one["low"] <= one["value"] <= one["high"] and one["n"] in (150, 200), name
    assert found["intervals"]["f1_macro"]["value"] == found["f1"]["macro"]
    assert found["predictions_per_label"] == Counter(given for _, given, _, _ in rows)


def test_the_confusion_matrix_counts_what_has_a_truth(lab: Lab) -> None:
    rows = log_many(lab, 100)
    result = lab.get_confusion_matrix("m")
    expected = Counter((truth, given) for truth, given, _, _ in rows if truth)
    found = {
        (truth, given): n
        for truth, row in result.confusion_matrix.items()
        for given, n in row.items()
    }
    assert found == expected
    assert (list(result.labels), result.total) == (LABELS, 75)
    assert {"model_id", "confusion_matrix", "labels"} <= set(result.to_dict())


def test_both_ends_of_a_window_are_in_it(lab: Lab) -> None:
    log_many(lab, 10)
    window = {"start": START + timedelta(minutes=2), "end": START + timedelta(minutes=5)}
    result = lab.get_model_metrics("m", window)
    assert result.metrics.total_predictions == 4
    assert result.to_dict()["time_range"] == {
        "start": "2026-03-01T00:02:00Z",
        "end": "2026-03-01T00:05:00Z",
    }
    assert lab.get_model_metrics("m", {"end": "2026-03-01"}).metrics.total_predictions == 1
    assert lab.get_confusion_matrix("m", {"start": "2026-03-02"}).total == 0


def test_too_little_data_is_said_and_never_guessed(lab: Lab) -> None:
    empty = lab.get_model_metrics("nobody").metrics
    assert (empty.status, empty.total_predictions) == ("insufficient_data", 0)
    plain = empty.to_dict()
    for name in ("accuracy", "precision", "recall", "f1", "avg_confidence", "avg_latency_ms"):
        assert plain[name] is None
    assert lab.get_confusion_matrix("nobody").status == "insufficient_data"
    lab.log_prediction("m", "in", "a", 0.5)
    partly = lab.get_model_metrics("m").metrics
    assert (partly.status, partly.accuracy) == ("insufficient_data", None)
    assert (partly.total_predictions, partly.avg_confidence) == (1, 0.5)
    assert partly.predictions_per_label == {"a": 1}


def test_only_what_was_asked_for_is_given(lab: Lab) -> None:
    log_many(lab, 20)
    plain = lab.get_model_metrics("m", metrics=["f1", "latency"]).to_dict()["metrics"]
    assert "f1" in plain
    assert "latency_ms" in plain
    assert {"accuracy", "precision", "recall"}.isdisjoint(plain)
    latency = lab.get_model_metrics("m", metrics=["latency"]).metrics
    assert latency.status == "ok"
    with pytest.raises(InvalidInput, match=r"^metrics: .*Did you mean 'accuracy'"):
        lab.get_model_metrics("m", metrics=["acuracy"])


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"confidence": 1.01}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"confidence": "high"}, "confidence"),
        ({"input": ""}, "input"),
        ({"prediction": "\0"}, "prediction"),
        ({"ground_truth": 5}, "ground_truth"),
        ({"metadata": {"a": {1, 2}}}, "metadata"),
        ({"timestamp": "2026-03-01T12:00:00"}, "timestamp"),
        ({"timestamp": "soon"}, "timestamp"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"model_id": "  "}, "model_id"),
    ],
)
def test_bad_rows_are_named_and_not_written(
    lab: Lab, arguments: dict[str, Any], argument: str
) -> None:
    row = {"model_id": "m", "input": "in", "prediction": "a", "confidence": 0.5}
    with pytest.raises(InvalidInput) as caught:
        lab.log_prediction(**{**row, **arguments})
    assert str(caught.value).startswith(f"{argument}: ")
    assert lab.get_model_metrics("m").metrics.total_predictions == 0


@pytest.mark.parametrize(
    "window",
    [{"start": "2026-03-02", "end": "2026-03-01"}, {"begin": "2026-03-01"}, "2026", {"start": 5}],
)
def test_bad_windows_are_named(lab: Lab, window: Any) -> None:
    for ask in (lab.get_model_metrics, lab.get_confusion_matrix):
        with pytest.raises(InvalidInput, match=r"^time_range"):
            ask("m", window)


def test_six_seconds_of_a_live_chart(lab: Lab, clock: FixedClock) -> None:
    chance = random.Random(9)
    moments = [clock.now() - timedelta(seconds=chance.random() * 900) for _ in range(300)]
    moments += [clock.now() - timedelta(seconds=chance.random() * 30) for _ in range(300)]
    for place, at in enumerate(moments):
        lab.log_prediction("m", f"text {place}", "ab"[place % 2], 0.5, "a", timestamp=at)
    lab.flush()
    series = lab.get_metric_series("m", step="6s")
    assert series.time_range.start == clock.now() - timedelta(minutes=10)
    start = clock.now() - timedelta(minutes=10)
    first = start - timedelta(seconds=start.second % 6, microseconds=start.microsecond)
    expected = Counter(int((at - first).total_seconds() // 6) for at in moments if at >= first)
    found = {
        int((point.start - first).total_seconds() // 6): point.total_predictions
        for point in series.points
    }
    assert found == expected
    assert "per 6 s" in str(series)
    hour = {"start": clock.now() - timedelta(hours=1), "end": clock.now()}
    assert sum(p.total_predictions for p in lab.get_metric_series("m", hour, "6s").points) == 600
    with pytest.raises(InvalidInput, match=r"^step: 6s is for at most an hour"):
        lab.get_metric_series("m", {"start": clock.now() - timedelta(minutes=61)}, "6s")


def test_the_label_mix_over_time(lab: Lab) -> None:
    rows = log_many(lab, 180)
    window = {"start": START, "end": START + timedelta(hours=3)}
    points = lab.get_metric_series("m", window).points
    assert len(points) == 3
    for place, point in enumerate(points):
        answers = Counter(given for _, given, _, _ in rows[60 * place : 60 * place + 60])
        assert point.predictions_per_label == answers
        assert list(point.predictions_per_label.values()) == sorted(answers.values(), reverse=True)
    assert points[0].to_dict()["predictions_per_label"] == points[0].predictions_per_label
