"""Comparing two windows of the prediction log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Window
from astermind_lab.lab.measuring import versions_of, widened
from astermind_lab.results import (
    ConditionalEstimate,
    DetectorFinding,
    DriftAnalysis,
    DriftReport,
    EstimatedAccuracy,
    TimeRange,
)
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.core.tally import Tally
    from astermind_lab.lab.session import Session
    from astermind_lab.monitoring.drift.verdict import Judged
    from astermind_lab.monitoring.label_free import ConditionalAccuracy

__all__ = [
    "Windows",
    "detect_drift",
    "estimate_accuracy",
    "finding_of",
    "findings_of",
    "label_threshold",
]

_LARGEST_DIVERGENCE = 0.6931  # ln 2
_ALARM = 0.01  # p-value below which a change of the inputs is spoken of
_OTHER_INPUTS = (
    "The answers look as before, but the inputs do not: the hidden layer sees other texts than in "
    "the baseline, and the accuracy may lie outside the interval. Label some of these rows."
)


@tool()
def detect_drift(
    lab: Session,
    model_id: str,
    baseline_window: Window,
    current_window: Window,
    threshold: float | None = None,
    detectors: Iterable[str] | None = None,
    alpha: float = 0.05,
    version: str | None = None,
) -> DriftReport:
    """Whether a model is asked other things, or answers otherwise, in one window than in another.

    Five detectors look at the predicted labels (Jensen-Shannon divergence in nats), the confidence,
    the inputs as the hidden layer sees them (two detectors) and, where truths are known, the
    accuracy. Drift is only what is large enough to matter and not explained by chance; with too
    little data a detector says so. Windows may overlap, but then less is found.

    model_id : the model
    baseline_window : object with start and end in ISO 8601, both included: how it was
    current_window : likewise: how it is now
    threshold : from where on the Jensen-Shannon divergence of the labels matters, in nats (0.1;
        at most ln 2); without it the setting monitoring.drift_threshold
    detectors : which of labels, confidence, inputs, separability, performance to ask; without it
        all
    alpha : how often drift may be found where there is none, over all detectors together
    version : only the predictions of this version, or of the one an alias names now
    Raises InvalidInput.
    """
    from astermind_lab.monitoring.drift.verdict import DETECTORS

    model_id = check.identifier(model_id, "model_id")
    asked = check.choices(detectors, "detectors", tuple(DETECTORS))
    alpha = check.number_between(alpha, "alpha", 1e-6, 0.5)
    limit = label_threshold(lab, threshold)
    windows = Windows(lab, model_id, baseline_window, current_window, version)
    then, now = windows.baseline.total, windows.current.total
    findings = findings_of(then, now, asked, limit, alpha)
    drifted = [one.detector for one in findings if one.drifted]
    labels = next((one for one in findings if one.detector == "labels"), None)
    enough = any(one.status == "ok" for one in findings)
    return DriftReport(
        model_id=model_id,
        baseline_window=windows.ranges[0],
        current_window=windows.ranges[1],
        drift_analysis=DriftAnalysis(
            status="ok" if enough else "insufficient_data",
            drift_detected=bool(drifted),
            drifted=drifted,
            drift_score=labels.statistic if labels else None,
            threshold=limit,
            p_value=labels.p_value if labels else None,
            effect=labels.note if labels else "",
            alpha=alpha,
            baseline_sample_count=then.n,
            current_sample_count=now.n,
            baseline_distribution=_shares(then),
            current_distribution=_shares(now),
            detectors=findings,
        ),
        warnings=windows.warnings,
    )


@tool()
def estimate_accuracy(
    lab: Session,
    model_id: str,
    baseline_window: Window,
    current_window: Window,
    version: str | None = None,
) -> EstimatedAccuracy:
    """How accurate a model probably is in a window whose truths are not known yet.

    It rests on a baseline window with known truths and on assumptions, which are named, tested as
    far as the data allow, and warned of where they do not hold. What nobody can see without truths
    is that the same texts have come to mean other labels.

    model_id : the model
    baseline_window : object with start and end in ISO 8601, both included; some of its truths must
        be known
    current_window : likewise: the window in question
    version : only the predictions of this version, or of the one an alias names now
    Raises InvalidInput.
    """
    from astermind_lab.monitoring.label_free import estimate_accuracy as estimate

    model_id = check.identifier(model_id, "model_id")
    windows = Windows(lab, model_id, baseline_window, current_window, version)
    then, now = windows.baseline.total, windows.current.total
    found = estimate(then, now)
    warnings = [*found.warnings, *windows.warnings]
    if found.status == "ok" and not found.warnings and _differ(then, now):
        warnings.insert(0, _OTHER_INPUTS)
    return EstimatedAccuracy(
        model_id=model_id,
        baseline_window=windows.ranges[0],
        current_window=windows.ranges[1],
        status=found.status,
        value=found.value,
        low=found.low,
        high=found.high,
        method=found.method,
        level=found.level,
        baseline_count=found.baseline_n,
        baseline_truths=found.baseline_known,
        current_count=found.current_n,
        confidence=_conditional(found.confidence),
        label_shift=_conditional(found.label_shift),
        warnings=warnings,
    )


class Windows:
    """Two windows of a model, checked and read."""

    def __init__(
        self,
        lab: Session,
        model_id: str,
        baseline: Window,
        current: Window,
        version: str | None,
    ) -> None:
        spans = [
            check.window(baseline, "baseline_window"),
            check.window(current, "current_window"),
        ]
        self.versions = versions_of(lab, model_id, version)
        lab.flush()
        self.baseline, self.current = (
            lab.store.tallies.window(model_id, *span, versions=self.versions, features=True)
            for span in spans
        )
        self.ranges = [TimeRange(start=start, end=end) for start, end in spans]
        both = (self.baseline, self.current)
        told = [widened(one, *span) for one, span in zip(both, spans, strict=True)]
        self.warnings = [line for lines in told for line in lines]


def _differ(baseline: Tally, current: Tally) -> bool:
    """Whether the inputs are others, as the hidden layer sees them."""
    from astermind_lab.monitoring.drift import inputs

    p_value = inputs.compare(baseline, current).p_value
    return p_value is not None and p_value < _ALARM


def _shares(tally: Tally) -> dict[str, float]:
    n = tally.n
    return {label: count / n for label, count in tally.predicted.items()}


def label_threshold(lab: Session, threshold: float | None) -> float:
    """From where on a divergence of the labels matters: as given, or as set."""
    if threshold is None:
        threshold = lab.settings.monitoring.drift_threshold
    return check.number_between(threshold, "threshold", 0, _LARGEST_DIVERGENCE)


def findings_of(
    baseline: Tally, current: Tally, asked: Sequence[str], threshold: float, alpha: float
) -> list[DetectorFinding]:
    """What detectors say about two windows, all of them together right in all but α of the cases.

    asked : names of detectors     threshold : of the labels, in nats
    """
    from astermind_lab.monitoring.drift.verdict import compare_windows

    limits = {"labels": threshold}
    judged = compare_windows(baseline, current, asked, thresholds=limits, alpha=alpha)
    return [finding_of(one) for one in judged]


def finding_of(judged: Judged) -> DetectorFinding:
    """A finding as clients read it."""
    found = judged.finding
    return DetectorFinding(
        detector=found.detector,
        measure=found.measure,
        status=found.status,
        drifted=judged.drifted,
        statistic=found.statistic,
        threshold=found.threshold,
        p_value=found.p_value,
        adjusted_p_value=judged.adjusted,
        baseline_n=found.baseline_n,
        current_n=found.current_n,
        note=found.note,
    )


def _conditional(found: ConditionalAccuracy | None) -> ConditionalEstimate | None:
    return None if found is None else ConditionalEstimate(**vars(found))
