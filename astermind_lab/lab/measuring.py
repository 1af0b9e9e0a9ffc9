"""The prediction log, and figures from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from astermind_lab.estimate import Estimate
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Moment, Window
from astermind_lab.results import (
    Averages,
    ConfusionMatrix,
    LoggedPrediction,
    Metrics,
    ModelMetrics,
    Quantiles,
    TimeRange,
)
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.core.metrics import ClassScores, Means
    from astermind_lab.lab.session import Session

__all__ = ["get_confusion_matrix", "get_model_metrics", "log_prediction"]

METRICS = ("accuracy", "precision", "recall", "f1", "latency")
_LONGEST_LATENCY_MS = 1e9


@tool()
def log_prediction(
    lab: Session,
    model_id: str,
    input: str,
    prediction: str,
    confidence: float,
    ground_truth: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    version: str | None = None,
    timestamp: Moment | None = None,
    latency_ms: float | None = None,
    key: str | None = None,
) -> LoggedPrediction:
    """Write a prediction to the log, durably. The model may be any model, also one from elsewhere.

    model_id : the model that predicted
    input : the text it was given
    prediction : the label it answered
    confidence : how sure it was, 0 to 1
    ground_truth : the right label, where it is known
    metadata : any plain data to keep with it
    version : the version that predicted
    timestamp : when, in ISO 8601 with a zone; without it now
    latency_ms : how long the answer took, in milliseconds
    key : a name of your own for it, to give feedback on it later; what is logged again under the
        same key counts once
    Raises InvalidInput, StoreError if there is no room on disk for it.
    """
    from astermind_lab.persistence import Prediction

    row = Prediction(
        model_id=check.identifier(model_id, "model_id"),
        version=check.optional(check.identifier, version, "version"),
        input=check.text(input, "input"),
        prediction=check.label(prediction, "prediction"),
        confidence=check.number_between(confidence, "confidence", 0, 1),
        ground_truth=check.optional(check.label, ground_truth, "ground_truth"),
        latency_ms=None if latency_ms is None else _latency(latency_ms),
        timestamp=lab.clock.now() if timestamp is None else check.moment(timestamp, "timestamp"),
        metadata=check.plain_mapping(metadata, "metadata"),
        key=check.optional(check.identifier, key, "key"),
    )
    [record_id] = lab.recorder.record([row])
    return LoggedPrediction(record_id=record_id, model_id=row.model_id, timestamp=row.timestamp)


def _latency(value: object) -> float:
    return check.number_between(value, "latency_ms", 0, _LONGEST_LATENCY_MS)


@tool()
def get_model_metrics(
    lab: Session,
    model_id: str,
    time_range: Window | None = None,
    metrics: Iterable[str] | None = None,
) -> ModelMetrics:
    """How a model did, by its logged predictions: accuracy, precision, recall, F1, latency, counts.

    Accuracy and the scores rest only on predictions whose truth is known. A figure with nothing to
    rest on is null, and the status says insufficient_data.

    model_id : the model
    time_range : object with start and end in ISO 8601, both included; either may be left out
    metrics : which of accuracy, precision, recall, f1, latency to give; without it all
    Raises InvalidInput.
    """
    model_id = check.identifier(model_id, "model_id")
    start, end = check.window(time_range, "time_range")
    lab.flush()
    asked = check.choices(metrics, "metrics", METRICS)
    return ModelMetrics(
        model_id=model_id,
        time_range=TimeRange(start=start, end=end),
        metrics=_metrics(lab, model_id, start, end, asked),
    )


def _metrics(
    lab: Session,
    model_id: str,
    start: datetime | None,
    end: datetime | None,
    asked: Sequence[str],
) -> Metrics:
    from astermind_lab.core.metrics import class_scores, confusion, quantiles

    pairs: Counter[tuple[str | None, str]] = Counter()
    confidences: list[float] = []
    latencies: list[float] = []
    for row in lab.store.predictions.window(model_id, start, end):
        pairs[row.ground_truth, row.prediction] += 1
        confidences.append(row.confidence)
        if row.latency_ms is not None:
            latencies.append(row.latency_ms)
    matrix = confusion(
        (truth, given, n) for (truth, given), n in pairs.items() if truth is not None
    )
    scores = class_scores(matrix) if matrix else None
    per_label: Counter[str] = Counter()
    for (_, given), n in pairs.items():
        per_label[given] += n
    missing = not latencies if asked == ("latency",) else scores is None
    return Metrics(
        status="insufficient_data" if missing else "ok",
        total_predictions=len(confidences),
        truths=scores.n if scores else 0,
        avg_confidence=_mean(confidences),
        predictions_per_label=dict(per_label.most_common()),
        avg_latency_ms=_mean(latencies),
        latency_ms=_quantiles(quantiles(latencies, (0.5, 0.95, 0.99))) if latencies else None,
        asked=asked,
        **(_scores(scores) if scores else {}),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _quantiles(values: Sequence[float]) -> Quantiles:
    return Quantiles(p50=values[0], p95=values[1], p99=values[2])


def _scores(scores: ClassScores) -> dict[str, Any]:
    def averages(means: Means, per_label: Sequence[float | None]) -> Averages:
        named = dict(zip(scores.labels, per_label, strict=True))
        return Averages(macro=means.macro, weighted=means.weighted, per_label=named)

    return {
        "accuracy": Estimate.proportion(scores.correct, scores.n, "feedback"),
        "precision": averages(scores.precision_means, scores.precision),
        "recall": averages(scores.recall_means, scores.recall),
        "f1": averages(scores.f1_means, scores.f1),
    }


@tool()
def get_confusion_matrix(
    lab: Session, model_id: str, time_range: Window | None = None
) -> ConfusionMatrix:
    """How often each truth was answered by each label, over logged predictions with a known truth.

    model_id : the model
    time_range : object with start and end in ISO 8601, both included; either may be left out
    Raises InvalidInput.
    """
    from astermind_lab.core.metrics import confusion

    model_id = check.identifier(model_id, "model_id")
    start, end = check.window(time_range, "time_range")
    lab.flush()
    pairs = lab.store.tallies.window(model_id, start, end).total.pairs
    known = [(truth, given, n) for (truth, given), n in pairs.items() if truth is not None]
    labels = sorted({label for truth, given, _ in known for label in (truth, given)})
    total = sum(n for _, _, n in known)
    return ConfusionMatrix(
        model_id=model_id,
        time_range=TimeRange(start=start, end=end),
        status="ok" if total else "insufficient_data",
        confusion_matrix=confusion(sorted(known)),
        labels=labels,
        total=total,
    )
