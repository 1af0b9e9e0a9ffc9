"""Figures of a window over the prediction log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Window
from astermind_lab.results import (
    Averages,
    ConfusionMatrix,
    MetricPoint,
    Metrics,
    MetricSeries,
    ModelMetrics,
    Quantiles,
    TimeRange,
)
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.core.metrics import ClassScores, Means
    from astermind_lab.lab.session import Session
    from astermind_lab.monitoring.metrics import Figures
    from astermind_lab.persistence import Totals

__all__ = [
    "STEPS",
    "counted",
    "get_confusion_matrix",
    "get_metric_series",
    "get_model_metrics",
    "stepped_window",
    "versions_of",
    "widened",
]

METRICS = ("accuracy", "precision", "recall", "f1", "latency")
_MOST_POINTS = 5_000
_MOST_SHORT = timedelta(hours=1)  # may be cut into steps of six seconds


class Step(NamedTuple):
    """A step of a series. level : of its tallies     usual : how many there are without a window"""

    level: str
    length: timedelta
    usual: int


STEPS: Mapping[str, Step] = {
    "6s": Step("6s", timedelta(seconds=6), 100),
    "minute": Step("m", timedelta(minutes=1), 60),
    "hour": Step("h", timedelta(hours=1), 48),
    "day": Step("d", timedelta(days=1), 90),
}


@tool()
def get_model_metrics(
    lab: Session,
    model_id: str,
    time_range: Window | None = None,
    metrics: Iterable[str] | None = None,
    version: str | None = None,
) -> ModelMetrics:
    """How a model did, by its logged predictions: accuracy, precision, recall, F1, latency, counts.

    Accuracy and the scores rest only on predictions whose truth is known. A figure with nothing to
    rest on is null, and the status says insufficient_data.

    model_id : the model
    time_range : object with start and end in ISO 8601, both included; either may be left out
    metrics : which of accuracy, precision, recall, f1, latency to give; without it all
    version : only the predictions of this version, or of the one an alias names now
    Raises InvalidInput.
    """
    from astermind_lab.monitoring.metrics import figures

    asked = check.choices(metrics, "metrics", METRICS)
    model_id, span, totals, warnings = counted(lab, model_id, time_range, version)
    return ModelMetrics(
        model_id=model_id,
        time_range=span,
        metrics=_metrics(figures(totals.total), asked),
        warnings=warnings,
    )


class Counted(NamedTuple):
    """What the log of a model holds in a window; warnings : what to say of it."""

    model_id: str
    time_range: TimeRange
    totals: Totals
    warnings: list[str]


def counted(
    lab: Session, model_id: str, time_range: Window | None, version: str | None = None
) -> Counted:
    """Everything that was logged until now, as far as it is asked for. Raises InvalidInput."""
    model_id = check.identifier(model_id, "model_id")
    start, end = check.window(time_range, "time_range")
    versions = versions_of(lab, model_id, version)
    lab.flush()
    totals = lab.store.tallies.window(model_id, start, end, versions=versions)
    span = TimeRange(start=start, end=end)
    return Counted(model_id, span, totals, widened(totals, start, end))


def versions_of(lab: Session, model_id: str, version: str | None) -> Collection[str] | None:
    """The versions that are meant: None are all. Models of elsewhere have versions of their own."""
    if version is None:
        return None
    version = check.identifier(version, "version")
    named = lab.store.models.aliases(model_id)
    return (named.get(version, version),)


def widened(totals: Totals, start: datetime | None, end: datetime | None) -> list[str]:
    """What to say where the rows at the window's ends are kept no more."""
    from astermind_lab.persistence.prediction_rows import moment, ticks

    early = start is not None and totals.low < ticks(start)
    late = end is not None and totals.high > ticks(end) + 1
    if not early and not late:
        return []
    low, high = moment(totals.low), moment(totals.high)
    return [
        "the single predictions at the ends of this window are kept no more, so whole hours are "
        f"counted: {low:%Y-%m-%d %H:%M} to {high:%Y-%m-%d %H:%M} UTC"
    ]


def _metrics(found: Figures, asked: Sequence[str]) -> Metrics:
    missing = found.latency_ms is None if asked == ("latency",) else found.scores is None
    scores = found.scores
    return Metrics(
        status="insufficient_data" if missing else "ok",
        total_predictions=found.n,
        truths=found.known,
        avg_confidence=found.mean_confidence,
        predictions_per_label=found.per_label,
        accuracy=found.accuracy,
        **(_scores(scores) if scores else {}),
        avg_latency_ms=found.mean_latency_ms,
        latency_ms=Quantiles(**found.latency_ms) if found.latency_ms else None,
        intervals=found.intervals,
        asked=asked,
    )


def _scores(scores: ClassScores) -> dict[str, Averages]:
    def averages(means: Means, per_label: Sequence[float | None]) -> Averages:
        named = dict(zip(scores.labels, per_label, strict=True))
        return Averages(macro=means.macro, weighted=means.weighted, per_label=named)

    return {
        "precision": averages(scores.precision_means, scores.precision),
        "recall": averages(scores.recall_means, scores.recall),
        "f1": averages(scores.f1_means, scores.f1),
    }


@tool()
def get_metric_series(
    lab: Session,
    model_id: str,
    time_range: Window | None = None,
    step: Literal["6s", "minute", "hour", "day"] = "hour",
    version: str | None = None,
) -> MetricSeries:
    """How accuracy, confidence, latency, labels and the number of predictions went over time.

    model_id : the model
    time_range : object with start and end in ISO 8601, both included; without it the last 10
        minutes, 60 minutes, 48 hours or 90 days
    step : 6s (six seconds, over at most an hour), minute, hour or day
    version : only the predictions of this version, or of the one an alias names now
    Raises InvalidInput, also for more than 5,000 steps.
    """
    from astermind_lab.monitoring.metrics import quick_figures

    model_id = check.identifier(model_id, "model_id")
    start, end = stepped_window(lab, time_range, step, tuple(STEPS), _MOST_POINTS)
    if step == "6s" and end - start > _MOST_SHORT:
        raise InvalidInput("step", "6s is for at most an hour; take a longer step")
    versions = versions_of(lab, model_id, version)
    lab.flush()
    found = lab.store.tallies.series(model_id, STEPS[step].level, start, end, versions=versions)
    return MetricSeries(
        model_id=model_id,
        time_range=TimeRange(start=start, end=end),
        step=step,
        points=[_point(at, quick_figures(tally)) for at, tally in found],
    )


def stepped_window(
    lab: Session, time_range: object, step: str, steps: Collection[str], most: int
) -> tuple[datetime, datetime]:
    """The window of a series, of which both ends are known.

    steps : the ones allowed, names in STEPS     most : how many of them there may be
    Raises InvalidInput.
    """
    start, end = check.window(time_range, "time_range")
    if step not in steps:
        raise InvalidInput("step", f"{shown(step)} is not one of {', '.join(steps)}")
    _, length, usual = STEPS[step]
    end = end or lab.clock.now()
    start = start or end - length * usual
    if start > end:
        raise InvalidInput("time_range", f"starts after now: {start.isoformat()}")
    if (end - start) / length > most:
        raise InvalidInput("step", f"{step} gives more than {most:,} points; take a longer")
    return start, end


def _point(start: datetime, found: Figures) -> MetricPoint:
    return MetricPoint(
        start=start.astimezone(UTC),
        total_predictions=found.n,
        truths=found.known,
        accuracy=found.accuracy,
        avg_confidence=found.mean_confidence,
        latency_ms=Quantiles(**found.latency_ms) if found.latency_ms else None,
        predictions_per_label=found.per_label,
    )


@tool()
def get_confusion_matrix(
    lab: Session, model_id: str, time_range: Window | None = None, version: str | None = None
) -> ConfusionMatrix:
    """How often each truth was answered by each label, over logged predictions with a known truth.

    model_id : the model
    time_range : object with start and end in ISO 8601, both included; either may be left out
    version : only the predictions of this version, or of the one an alias names now
    Raises InvalidInput.
    """
    from astermind_lab.monitoring.metrics import matrix_of

    model_id, span, totals, warnings = counted(lab, model_id, time_range, version)
    matrix = matrix_of(totals.total)
    total = sum(n for row in matrix.values() for n in row.values())
    return ConfusionMatrix(
        model_id=model_id,
        time_range=span,
        status="ok" if total else "insufficient_data",
        confusion_matrix=matrix,
        labels=sorted({*matrix, *(label for row in matrix.values() for label in row)}),
        total=total,
        warnings=warnings,
    )
