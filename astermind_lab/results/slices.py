"""Figures side by side, and how far confidences can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astermind_lab.display import Fact, Interval, Share, Table, View
from astermind_lab.display.words import number, share
from astermind_lab.estimate import Estimate
from astermind_lab.results.base import Result, interval, share_or_dash
from astermind_lab.results.monitoring import Quantiles
from astermind_lab.results.recording import TimeRange

__all__ = ["Calibration", "CalibrationBin", "MetricSlice", "MetricSlices"]


@dataclass(frozen=True, repr=False, kw_only=True)
class MetricSlice(Result):
    """The figures of some versions of a model; None is a figure with nothing to rest on.

    versions : that are in it; None stands for predictions that were logged without one
    tags : of the version, or the tag that the slice is of     aliases : that name its versions now
    """

    name: str
    versions: Sequence[str | None]
    tags: Sequence[str]
    aliases: Sequence[str]
    total_predictions: int
    truths: int
    accuracy: Estimate | None
    macro_f1: Estimate | None
    avg_confidence: float | None
    latency_ms: Quantiles | None

    def short(self) -> str:
        return f"{self.name!r}, {self.total_predictions:,} predictions, {self._accuracy()}"

    def _accuracy(self) -> str:
        return f"accuracy {share_or_dash(self.accuracy)}"

    def row(self) -> tuple[str | int | Share | Sequence[str] | None, ...]:
        """The slice as a row of ``MetricSlices``."""
        return (
            self.name,
            self.total_predictions,
            self.truths,
            _with_interval(self.accuracy),
            _with_interval(self.macro_f1),
            None if self.avg_confidence is None else Share(self.avg_confidence),
            f"{number(self.latency_ms.p95)} ms" if self.latency_ms else None,
            self.aliases,
        )

    def view(self) -> View:
        facts = [Fact(name, value) for name, value in zip(_COLUMNS, self.row(), strict=True)]
        return View(f"Slice {self.name}", facts[1:])


_COLUMNS = (
    "slice",
    "predictions",
    "truths",
    "accuracy",
    "macro F1",
    "confidence",
    "latency p95",
    "aliases",
)


def _with_interval(value: Estimate | None) -> str | None:
    if value is None:
        return None
    return f"{share(value.value)} ({share(value.low)} to {share(value.high)})"


@dataclass(frozen=True, repr=False, kw_only=True)
class MetricSlices(Result):
    """A model's figures by version or by tag. With several tags, a version is in several slices."""

    _optional = frozenset({"warnings"})

    model_id: str
    by: str
    time_range: TimeRange
    slices: Sequence[MetricSlice]
    warnings: Sequence[str] = ()

    def short(self) -> str:
        return f"{self.model_id!r}, {len(self.slices):,} slices by {self.by}"

    def view(self) -> View:
        facts = [Fact("window (UTC)", str(self.time_range))]
        title = f"{self.model_id}, by {self.by}"
        if not self.slices:
            return View(title, facts, notes=["No prediction was logged in this window."])
        table = Table(_COLUMNS, [one.row() for one in self.slices])
        return View(title, facts, [table], self.warnings)


@dataclass(frozen=True, repr=False, kw_only=True)
class CalibrationBin(Result):
    """Predictions with a known truth whose confidence lies between low and high.

    n : how many they are     mean_confidence : within 0.004
    """

    low: float
    high: float
    n: int
    mean_confidence: float
    accuracy: Estimate

    def short(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}, accuracy {share(self.accuracy.value)}"

    def view(self) -> View:
        return View(self.short())


@dataclass(frozen=True, repr=False, kw_only=True)
class Calibration(Result):
    """Whether a model is right as often as it is confident.

    truths : predictions with a known truth, on which all of it rests
    expected_calibration_error : how far confidence and accuracy of a bin differ, on average over
        these predictions; chance alone keeps it above zero
    accuracy, mean_confidence : over them
    bins : from the least confident on
    """

    _optional = frozenset({"warnings"})

    model_id: str
    time_range: TimeRange
    status: str
    total_predictions: int
    truths: int
    expected_calibration_error: float | None
    accuracy: Estimate | None
    mean_confidence: float | None
    bins: Sequence[CalibrationBin]
    warnings: Sequence[str] = ()

    def short(self) -> str:
        if self.expected_calibration_error is None:
            return f"{self.model_id!r}, too little data"
        error = f"{self.expected_calibration_error:.3f}"
        return f"{self.model_id!r}, calibration error {error}, n = {self.truths:,}"

    def view(self) -> View:
        facts = [
            Fact("window (UTC)", str(self.time_range)),
            Fact("truths", f"{self.truths:,} of {self.total_predictions:,} predictions"),
        ]
        title = f"Calibration of {self.model_id}"
        if self.expected_calibration_error is None or self.mean_confidence is None:
            note = "No truth is known for these predictions, so nothing can be said."
            return View(title, facts, notes=[note])
        facts += [
            Fact("mean confidence", Share(self.mean_confidence)),
            Fact("expected calibration error", self.expected_calibration_error),
        ]
        parts: list[Interval | Table] = []
        if self.accuracy is not None:
            parts.append(interval("accuracy", self.accuracy))
        rows = [
            (
                f"{number(one.low)} to {number(one.high)}",
                one.n,
                Share(one.mean_confidence),
                _with_interval(one.accuracy),
            )
            for one in self.bins
        ]
        parts.append(Table(("confidence", "truths", "mean confidence", "accuracy"), rows))
        return View(title, facts, parts, self.warnings)
