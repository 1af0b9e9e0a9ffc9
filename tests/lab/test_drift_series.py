"""Drift over time, step by step, against asking for each step by itself."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from astermind_lab.clock import FixedClock
from astermind_lab.errors import InvalidInput
from astermind_lab.lab import Lab
from tests.lab.data import EXAMPLES
from tests.lab.test_drifting import START

THEN = {"start": START, "end": START + timedelta(hours=5) - timedelta(microseconds=1)}


@pytest.fixture
def drifting(trained: Lab) -> Lab:
    """Ten hours of predictions; from the seventh on other texts, and labels that are wrong."""
    chance = random.Random(2)
    texts = [example["text"] for example in EXAMPLES]
    for hour in range(10):
        some = chance.choices(texts if hour < 6 else sorted(texts)[:20], k=40)
        moments = [START + timedelta(hours=hour, minutes=chance.random() * 60) for _ in some]
        trained.predict_many("topics", some, log_prediction=True, timestamps=moments)
    for place in range(30):
        at = START + timedelta(hours=6, minutes=2 * place)
        trained.log_prediction("topics", "odd", "food", 0.6, "money", timestamp=at, version="x")
    return trained


def hour(number: int) -> dict[str, Any]:
    start = START + timedelta(hours=number)
    return {"start": start, "end": start + timedelta(hours=1) - timedelta(microseconds=1)}


def test_each_step_says_what_detect_drift_says(drifting: Lab) -> None:
    window = {"start": START, "end": START + timedelta(hours=9)}
    series = drifting.get_drift_series("topics", THEN, window, threshold=0.2)
    assert [point.start for point in series.points] == [
        START + timedelta(hours=number) for number in range(10)
    ]
    for number, point in enumerate(series.points):
        one = drifting.detect_drift("topics", THEN, hour(number), threshold=0.2)
        assert point.detectors == one.drift_analysis.detectors
        assert point.drifted == one.drift_analysis.drifted
        assert point.total_predictions == one.drift_analysis.current_sample_count
    assert "inputs" in series.points[-1].drifted and not series.points[2].drifted
    assert (series.threshold, series.alpha, series.baseline_sample_count) == (0.2, 0.05, 200)
    assert "drift in 4 of 10 steps" in repr(series)
    assert "inputs" in str(series)


def test_a_version_and_the_steps_without_predictions(drifting: Lab) -> None:
    window = {"start": START, "end": START + timedelta(hours=12)}
    series = drifting.get_drift_series("topics", THEN, window, version="x")
    [point] = series.points
    assert (point.start, point.total_predictions) == (START + timedelta(hours=6), 30)
    assert {one.status for one in point.detectors} == {"insufficient_data"}
    days = drifting.get_drift_series("topics", THEN, window, "day").to_dict()["points"]
    assert [day["total_predictions"] for day in days] == [430]
    nothing = drifting.get_drift_series("nobody", THEN, window)
    assert nothing.points == [] and "No prediction" in str(nothing)


def test_without_a_window_it_is_the_last_two_days(drifting: Lab, clock: FixedClock) -> None:
    series = drifting.get_drift_series("topics", THEN)
    assert series.time_range.end == clock.now()
    assert series.time_range.start == clock.now() - timedelta(hours=48)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"step": "6s"}, "step: '6s' is not one of minute, hour, day"),
        ({"time_range": {"start": "2020-01-01"}}, "step: hour gives more than 200 points"),
        ({"time_range": {"start": "2220-01-01"}}, "time_range: starts after now"),
        ({"threshold": 0.7}, "threshold: must be from 0 to 0.6931"),
        ({"baseline_window": 5}, "baseline_window: must be an object"),
        ({"version": ""}, "version: "),
    ],
)
def test_bad_arguments_are_named(lab: Lab, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{reason}"):
        lab.get_drift_series("m", **{"baseline_window": THEN, **given})
