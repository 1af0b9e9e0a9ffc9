"""Figures over time as tables that charts draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from astermind_lab.dashboard.view import View
from astermind_lab.lab import Lab
from astermind_lab.results import MetricPoint, MetricSeries

__all__ = ["EMPTY", "MOST_LABELS", "Frames", "frames", "series_question"]

_LENGTHS = {
    "6s": timedelta(seconds=6),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_FIGURES = ("rate", "zero", "p50", "p95", "p99", "confidence", "accuracy", "low", "high", "truths")
MOST_LABELS = 6
OTHERS = "others"


@dataclass(frozen=True)
class Frames:
    """A series. Steps without a prediction have a rate of 0 and no other figure.

    figures : by time (naive, UTC): rate (predictions per ``unit``), p50, p95, p99 (ms), confidence
        and accuracy with low and high (percent), truths
    mix : by time, percentage of each of the labels that are predicted most, and of the others
    """

    figures: pd.DataFrame
    mix: pd.DataFrame
    predictions: int
    step: str

    @property
    def unit(self) -> str:
        """What the rate is per: second, minute, hour or day."""
        return "second" if self.step == "6s" else self.step


EMPTY = Frames(
    pd.DataFrame({name: pd.Series(dtype=float) for name in _FIGURES}, index=pd.DatetimeIndex([])),
    pd.DataFrame(index=pd.DatetimeIndex([])),
    0,
    "hour",
)


def series_question(view: View, now: datetime) -> tuple[Hashable, Callable[[Lab], Frames]]:
    """The series of a view; all charts of a page share it."""
    step = view.step(now)
    key = ("series", view.model, view.version, view.window)

    def ask(lab: Lab) -> Frames:
        if not view.model:
            return EMPTY
        start, end = view.times(now)
        start = start or _beginning(lab, view.model)
        if start is None:
            return EMPTY
        series = lab.get_metric_series(
            view.model, {"start": start, "end": end}, step, view.versions
        )
        return frames(series, start, end or now)

    return key, ask


def _beginning(lab: Lab, model: str) -> datetime | None:
    """The first day with a prediction of the model."""
    for item in lab.list_monitored_models().models:
        if item.model_id == model:
            return item.first_day
    return None


def frames(series: MetricSeries, start: datetime, end: datetime) -> Frames:
    """A series as tables, with every step from ``start`` to ``end``."""
    length = _LENGTHS[series.step]
    if not series.points:
        return EMPTY
    steps = pd.date_range(
        pd.Timestamp(min(start, series.points[0].start)).floor(length),
        pd.Timestamp(max(end, series.points[-1].start)).floor(length),
        freq=length,
    ).tz_localize(None)
    found = pd.DataFrame.from_records(
        [_row(point, series.step) for point in series.points],
        index=pd.DatetimeIndex([point.start.replace(tzinfo=None) for point in series.points]),
    )
    figures = found.reindex(steps)
    figures["rate"] = figures["rate"].fillna(0.0)
    figures["zero"] = 0.0
    figures.index.name = "time"
    total = sum(point.total_predictions for point in series.points)
    return Frames(figures, _mix(series.points, steps), total, series.step)


def _row(point: MetricPoint, step: str) -> dict[str, float | None]:
    accuracy, latency = point.accuracy, point.latency_ms
    return {
        "rate": point.total_predictions / (6 if step == "6s" else 1),
        "p50": latency.p50 if latency else None,
        "p95": latency.p95 if latency else None,
        "p99": latency.p99 if latency else None,
        "confidence": _percent(point.avg_confidence),
        "accuracy": _percent(accuracy.value if accuracy else None),
        "low": _percent(accuracy.low if accuracy else None),
        "high": _percent(accuracy.high if accuracy else None),
        "truths": point.truths,
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _mix(points: Sequence[MetricPoint], steps: pd.DatetimeIndex) -> pd.DataFrame:
    counts: Counter[str] = Counter()
    for point in points:
        counts.update(point.predictions_per_label)
    most = [label for label, _ in counts.most_common(MOST_LABELS)]
    others = len(counts) > len(most)
    rows = []
    for point in points:
        n = max(point.total_predictions, 1) / 100
        row = {label: point.predictions_per_label.get(label, 0) / n for label in most}
        if others:
            row[OTHERS] = max(0.0, 100.0 - sum(row.values()))
        rows.append(row)
    index = pd.DatetimeIndex([point.start.replace(tzinfo=None) for point in points])
    mix = pd.DataFrame.from_records(rows, index=index).reindex(steps).fillna(0.0)
    mix.index.name = "time"
    return mix
