"""Drift over time: one step after the other against the same baseline."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Literal

from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Window
from astermind_lab.lab.drifting import findings_of, label_threshold
from astermind_lab.lab.measuring import STEPS, stepped_window, versions_of, widened
from astermind_lab.results import DriftPoint, DriftSeries, TimeRange
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session

__all__ = ["get_drift_series"]

_MOST_POINTS = 200
_ALLOWED = ("minute", "hour", "day")


@tool()
def get_drift_series(
    lab: Session,
    model_id: str,
    baseline_window: Window,
    time_range: Window | None = None,
    step: Literal["minute", "hour", "day"] = "hour",
    version: str | None = None,
    threshold: float | None = None,
) -> DriftSeries:
    """What each drift detector says of every minute, hour or day, against the same baseline.

    The detectors and their correction are those of detect_drift, at each step by itself: where
    nothing drifts, any of them raises its hand in one step of twenty at the most.

    model_id : the model
    baseline_window : object with start and end in ISO 8601, both included: how it was
    time_range : likewise: the steps to look at; without it the last 60 minutes, 48 hours or 90 days
    step : minute, hour or day
    version : only the predictions of this version, or of the one an alias names now
    threshold : from where on the Jensen-Shannon divergence of the labels matters, in nats (0.1;
        at most ln 2); without it the setting monitoring.drift_threshold
    Raises InvalidInput, also for more than 200 steps.
    """
    from astermind_lab.monitoring.drift.verdict import ALPHA, DETECTORS

    model_id = check.identifier(model_id, "model_id")
    span = check.window(baseline_window, "baseline_window")
    start, end = stepped_window(lab, time_range, step, _ALLOWED, _MOST_POINTS)
    limit = label_threshold(lab, threshold)
    versions = versions_of(lab, model_id, version)
    lab.flush()
    tallies = lab.store.tallies
    baseline = tallies.window(model_id, *span, versions=versions, features=True)
    level = STEPS[step].level
    found = tallies.series(model_id, level, start, end, versions=versions, features=True)
    then = baseline.total
    points = [
        (at, now.n, findings_of(then, now, tuple(DETECTORS), limit, ALPHA)) for at, now in found
    ]
    return DriftSeries(
        model_id=model_id,
        baseline_window=TimeRange(start=span[0], end=span[1]),
        time_range=TimeRange(start=start, end=end),
        step=step,
        threshold=limit,
        alpha=ALPHA,
        baseline_sample_count=then.n,
        points=[
            DriftPoint(
                start=at.astimezone(UTC),
                total_predictions=n,
                drifted=[one.detector for one in findings if one.drifted],
                detectors=findings,
            )
            for at, n, findings in points
        ],
        warnings=widened(baseline, *span),
    )
