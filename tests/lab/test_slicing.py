"""Figures by version and by tag, and calibration, through the lab."""

from __future__ import annotations

import random
from datetime import timedelta

import numpy as np
import pytest

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import Lab
from astermind_lab.persistence import NewModelVersion
from tests.lab.test_measuring import START

VERSIONS = {"v1": ["prod", "eu"], "v2": ["prod"], "v3": [], "gone": ["eu"]}
LOGGED = {"v1": 40, "v2": 30, "v3": 20, "gone": 15, "elsewhere": 10, None: 5}


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """A model with four versions, two of them tagged, and predictions of six."""
    chance = random.Random(1)
    for version, tags in VERSIONS.items():
        new = NewModelVersion("m", version, "elm-ridge", ["a", "b"], 3, tags=tags)
        lab.store.models.add(new, b"weights")
    lab.store.models.delete("m", "gone")
    lab.set_alias("m", "champion", "v2")
    for version, n in LOGGED.items():
        for place in range(n):
            lab.log_prediction(
                "m",
                "text",
                chance.choice("ab"),
                chance.random(),
                ground_truth=chance.choice("ab") if place % 2 else None,
                version=version,
                timestamp=START + timedelta(minutes=place),
                latency_ms=chance.random(),
            )
    return lab


def test_by_version_each_has_its_own_figures(filled: Lab) -> None:
    found = filled.get_metric_slices("m")
    assert {one.name: one.total_predictions for one in found.slices} == {
        "gone": 15,
        "v3": 20,
        "v2": 30,
        "v1": 40,
        "elsewhere": 10,
        "no version": 5,
    }
    assert [one.name for one in found.slices][:4] == ["gone", "v3", "v2", "v1"]
    assert found.slices[-1].versions == [None] and found.slices[-2].versions == ["elsewhere"]
    champion = found.slices[2]
    assert (champion.aliases, champion.tags) == (["champion"], ["prod"])
    for one in found.slices[:-1]:
        alone = filled.get_model_metrics("m", version=one.name).metrics
        assert (one.accuracy, one.truths) == (alone.accuracy, alone.truths)
        assert one.macro_f1 == alone.intervals["f1_macro"]
        assert one.avg_confidence == alone.avg_confidence
        assert one.latency_ms == alone.latency_ms


def test_by_tag_versions_come_together(filled: Lab) -> None:
    found = {one.name: one for one in filled.get_metric_slices("m", "tag").slices}
    assert {name: one.versions for name, one in found.items()} == {
        "eu": ["gone", "v1"],
        "prod": ["v2", "v1"],
        "no tag": ["v3", "elsewhere", None],
    }
    assert {name: one.total_predictions for name, one in found.items()} == {
        "eu": 55,
        "prod": 70,
        "no tag": 35,
    }
    assert (found["prod"].aliases, found["eu"].aliases) == (["champion"], [])
    assert (found["prod"].tags, found["no tag"].tags) == (["prod"], [])
    assert found["prod"].truths == 35
    window = {"end": START + timedelta(minutes=9)}
    few = filled.get_metric_slices("m", "tag", window)
    assert [one.total_predictions for one in few.slices] == [20, 20, 25]


def test_a_slice_without_truths_says_so(lab: Lab) -> None:
    lab.log_prediction("m", "text", "a", 0.5)
    [one] = lab.get_metric_slices("m").to_dict()["slices"]
    assert (one["name"], one["versions"], one["accuracy"], one["macro_f1"]) == (
        "no version",
        [None],
        None,
        None,
    )
    assert one["latency_ms"] is None and one["avg_confidence"] == 0.5
    assert lab.get_metric_slices("nobody").slices == []
    assert "no version" in str(lab.get_metric_slices("m"))
    with pytest.raises(InvalidInput, match=r"^by: 'label' is not one of version, tag"):
        lab.get_metric_slices("m", by="label")  # type: ignore[arg-type]


def test_calibration_is_that_of_the_rows(filled: Lab) -> None:
    found = filled.get_calibration("m")
    rows = [row for row in filled.store.predictions.window("m") if row.ground_truth is not None]
    right = np.array([row.ground_truth == row.prediction for row in rows])
    sure = np.array([row.confidence for row in rows])
    assert (found.status, found.truths, found.total_predictions) == ("ok", len(rows), 120)
    assert sum(one.n for one in found.bins) == len(rows)
    error = 0.0
    for one in found.bins:
        inside = (one.low <= sure) & (sure < one.high)
        assert one.n == inside.sum() >= 10
        assert one.accuracy.value == right[inside].mean()
        error += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    assert found.expected_calibration_error == pytest.approx(error, abs=0.004)
    assert filled.get_calibration("m", version="champion").truths == 15
    assert "calibration error" in repr(found) and "expected calibration error" in str(found)


def test_no_truths_is_too_little(lab: Lab) -> None:
    lab.log_prediction("m", "text", "a", 0.5)
    plain = lab.get_calibration("m").to_dict()
    assert (plain["status"], plain["bins"]) == ("insufficient_data", [])
    assert plain["expected_calibration_error"] is None and plain["total_predictions"] == 1
    assert "nothing can be said" in str(lab.get_calibration("m"))
