"""What the prediction log answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from astermind_lab.display import Curve, Fact, HeatMap, Interval, Share, Table, View
from astermind_lab.display.words import number, share
from astermind_lab.estimate import Estimate
from astermind_lab.results.base import Result, interval, plain_data, share_or_dash
from astermind_lab.results.recording import TimeRange

__all__ = [
    "Averages",
    "ConfusionMatrix",
    "MetricPoint",
    "MetricSeries",
    "Metrics",
    "ModelMetrics",
    "Quantiles",
]


@dataclass(frozen=True, repr=False, kw_only=True)
class Averages(Result):
    """A score per label and its means.

    per_label : None where it is undefined, as precision is for a label never predicted
    macro : each label counts the same     weighted : each counts by its number of true cases
    Undefined scores count as 0 in the means, as in scikit-learn.
    """

    macro: float
    weighted: float
    per_label: Mapping[str, float | None]

    def short(self) -> str:
        return f"macro {self.macro:.3f}, weighted {self.weighted:.3f}"

    def view(self) -> View:
        rows = [(label, value) for label, value in self.per_label.items()]
        return View(self.short(), parts=[Table(("label", "value"), rows)])


@dataclass(frozen=True, repr=False, kw_only=True)
class Quantiles(Result):
    """Of the logged latencies, in milliseconds."""

    p50: float
    p95: float
    p99: float

    def short(self) -> str:
        return f"p50 {self.p50:.3g}, p95 {self.p95:.3g}, p99 {self.p99:.3g} ms"

    def view(self) -> View:
        return View(self.short())


@dataclass(frozen=True, repr=False, kw_only=True)
class Metrics(Result):
    """Figures of a window. None is a figure for which there is too little in it.

    status : "ok", or "insufficient_data" where a figure that was asked for has nothing to rest on
    truths : logged predictions whose truth is known; accuracy, precision, recall, F1 rest on them
    intervals : of the other figures, by name: avg_confidence, avg_latency_ms, latency_p50, …,
        precision_macro, …, f1_weighted
    asked : which of accuracy, precision, recall, f1, latency were asked for
    """

    status: str
    total_predictions: int
    truths: int
    avg_confidence: float | None
    predictions_per_label: Mapping[str, int]
    accuracy: Estimate | None = None
    precision: Averages | None = None
    recall: Averages | None = None
    f1: Averages | None = None
    avg_latency_ms: float | None = None
    latency_ms: Quantiles | None = None
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    asked: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data; figures that were not asked for are left out."""
        result = {
            "status": self.status,
            "total_predictions": self.total_predictions,
            "truths": self.truths,
            "avg_confidence": self.avg_confidence,
            "predictions_per_label": dict(self.predictions_per_label),
        }
        for name in ("accuracy", "precision", "recall", "f1"):
            if name in self.asked:
                result[name] = plain_data(getattr(self, name))
        if "latency" in self.asked:
            result["avg_latency_ms"] = self.avg_latency_ms
            result["latency_ms"] = plain_data(self.latency_ms)
        kinds = [*self.asked, "avg_confidence", *(["avg_latency_ms"] * ("latency" in self.asked))]
        result["intervals"] = {
            name: plain_data(one)
            for name, one in self.intervals.items()
            if any(name.startswith(kind) for kind in kinds)
        }
        return result

    def short(self) -> str:
        return f"{self.total_predictions:,} predictions, accuracy {share_or_dash(self.accuracy)}"

    def view(self) -> View:
        return View("Metrics", self.facts(), self.parts(), self.notes())

    def facts(self) -> list[Fact]:
        """Counts and means."""
        facts = [
            Fact("predictions", self.total_predictions),
            Fact("with a known truth", self.truths),
        ]
        if self.avg_confidence is not None:
            facts.append(Fact("mean confidence", Share(self.avg_confidence)))
        if "latency" in self.asked and self.avg_latency_ms is not None and self.latency_ms:
            facts.append(Fact("mean latency", self.avg_latency_ms, "ms"))
            q = self.latency_ms
            quantiles = " · ".join(f"{number(v)} ms" for v in (q.p50, q.p95, q.p99))
            facts.append(Fact("latency p50 · p95 · p99", quantiles))
        return facts

    def parts(self) -> list[Interval | Table]:
        """The accuracy, and a table of the labels."""
        parts: list[Interval | Table] = []
        if self.accuracy is not None and "accuracy" in self.asked:
            parts.append(interval("accuracy", self.accuracy))
        scores = {
            name: score
            for name in ("precision", "recall", "f1")
            if name in self.asked and (score := getattr(self, name)) is not None
        }
        predicted = self.predictions_per_label
        labels = sorted({*predicted, *(x for s in scores.values() for x in s.per_label)})
        rows = [
            (x, predicted.get(x, 0), *(_share(s.per_label.get(x)) for s in scores.values()))
            for x in labels
        ]
        means = [
            (f"{mean} mean", None, *(self._mean(name, mean) for name in scores))
            for mean in ("macro", "weighted")
            if scores
        ]
        if rows:
            parts.append(Table(("label", "predicted", *scores), [*means, *rows]))
        return parts

    def _mean(self, name: str, mean: str) -> str:
        """A mean of a score with its interval."""
        value = share(getattr(getattr(self, name), mean))
        known = self.intervals.get(f"{name}_{mean}")
        return f"{value} ({share(known.low)} to {share(known.high)})" if known else value

    def notes(self) -> list[str]:
        """What could not be said."""
        if not self.total_predictions:
            return ["No prediction was logged in this window."]
        notes = []
        if not self.truths and tuple(self.asked) != ("latency",):
            notes.append("No truth is known for these predictions, so there is no accuracy yet.")
        if "latency" in self.asked and self.latency_ms is None:
            notes.append("These predictions were logged without a latency.")
        return notes


def _share(value: float | None) -> Share | None:
    return None if value is None else Share(value)


@dataclass(frozen=True, repr=False, kw_only=True)
class ModelMetrics(Result):
    """How a model did in a window, by its logged predictions."""

    _optional = frozenset({"warnings"})

    model_id: str
    time_range: TimeRange
    metrics: Metrics
    warnings: Sequence[str] = ()

    def short(self) -> str:
        return f"{self.model_id!r}, {self.metrics.short()}"

    def view(self) -> View:
        facts = [Fact("window (UTC)", str(self.time_range)), *self.metrics.facts()]
        notes = [*self.metrics.notes(), *self.warnings]
        return View(f"Metrics of {self.model_id}", facts, self.metrics.parts(), notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class ConfusionMatrix(Result):
    """Logged predictions with a known truth, counted: ``{truth: {predicted: count}}``."""

    _optional = frozenset({"warnings"})

    model_id: str
    time_range: TimeRange
    status: str
    confusion_matrix: Mapping[str, Mapping[str, int]]
    labels: Sequence[str]
    total: int
    warnings: Sequence[str] = ()

    def short(self) -> str:
        return f"{self.model_id!r}, {len(self.labels)} labels, {self.total:,} cases"

    def view(self) -> View:
        facts = [Fact("window (UTC)", str(self.time_range)), Fact("cases", self.total)]
        title = f"Confusion matrix of {self.model_id}"
        if not self.total:
            return View(title, facts, notes=["No prediction with a known truth in this window."])
        return View(title, facts, [HeatMap(self.labels, self.confusion_matrix)], self.warnings)


@dataclass(frozen=True, repr=False, kw_only=True)
class MetricPoint(Result):
    """Figures of one step of a series. start : its beginning"""

    start: datetime
    total_predictions: int
    truths: int
    accuracy: Estimate | None
    avg_confidence: float | None
    latency_ms: Quantiles | None
    predictions_per_label: Mapping[str, int]

    def short(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M:%S}, {self.total_predictions:,} predictions"

    def view(self) -> View:
        return View(self.short())


@dataclass(frozen=True, repr=False, kw_only=True)
class MetricSeries(Result):
    """Figures over time; steps without a prediction are left out."""

    model_id: str
    time_range: TimeRange
    step: str
    points: Sequence[MetricPoint]

    def short(self) -> str:
        return f"{self.model_id!r}, {len(self.points):,} points, one per {self._step}"

    def view(self) -> View:
        total = sum(point.total_predictions for point in self.points)
        facts = [Fact("window (UTC)", str(self.time_range)), Fact("predictions", total)]
        title = f"{self.model_id}, per {self._step}"
        if not self.points:
            return View(title, facts, notes=["No prediction was logged in this window."])
        curves = [
            Curve("accuracy", [self._point(p, p.accuracy) for p in self.points]),
            Curve("mean confidence", [self._at(p, p.avg_confidence) for p in self.points]),
            Curve(
                "latency p95, ms",
                [self._at(p, p.latency_ms.p95 if p.latency_ms else None) for p in self.points],
                share=False,
            ),
            Curve(
                "predictions", [self._at(p, p.total_predictions) for p in self.points], share=False
            ),
        ]
        seen = [c for c in curves if any(value is not None for _, value, *_ in c.points)]
        return View(title, facts, seen)

    @property
    def _step(self) -> str:
        return "6 s" if self.step == "6s" else self.step

    def _at(
        self, point: MetricPoint, value: float | None
    ) -> tuple[str, float | None, float | None, float | None]:
        form = {"day": "%Y-%m-%d", "6s": "%Y-%m-%d %H:%M:%S"}.get(self.step, "%Y-%m-%d %H:%M")
        return point.start.strftime(form), value, None, None

    def _point(
        self, point: MetricPoint, value: Estimate | None
    ) -> tuple[str, float | None, float | None, float | None]:
        name = self._at(point, None)[0]
        return (name, value.value, value.low, value.high) if value else (name, None, None, None)
