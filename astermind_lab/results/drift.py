"""What comparing two windows answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from astermind_lab.display import Fact, Interval, Share, Table, View
from astermind_lab.display.words import chance, number
from astermind_lab.results.base import Result
from astermind_lab.results.recording import TimeRange

__all__ = [
    "ConditionalEstimate",
    "DetectorFinding",
    "DriftAnalysis",
    "DriftReport",
    "EstimatedAccuracy",
]


@dataclass(frozen=True, repr=False, kw_only=True)
class DetectorFinding(Result):
    """What one detector says.

    measure : what the statistic is     threshold : from where on it matters
    p_value : how often chance alone gives so large a statistic where nothing drifted
    adjusted_p_value : for being one of several; the one that is compared with alpha
    drifted : statistic past its threshold, and chance does not explain it
    """

    detector: str
    measure: str
    status: str
    drifted: bool
    statistic: float | None
    threshold: float
    p_value: float | None
    adjusted_p_value: float | None
    baseline_n: int
    current_n: int
    note: str

    def short(self) -> str:
        return f"{self.detector}, {self.word()}"

    def word(self) -> str:
        """The verdict in a word."""
        if self.status != "ok":
            return "too little data"
        return "drift" if self.drifted else "no drift"

    def view(self) -> View:
        return View(self.short(), parts=[finding_table([self])])


def finding_table(findings: Sequence[DetectorFinding]) -> Table:
    """Findings, one a row."""
    rows = [
        (
            one.detector,
            one.word(),
            one.statistic,
            one.threshold,
            chance(one.p_value),
            chance(one.adjusted_p_value),
            one.note,
        )
        for one in findings
    ]
    columns = ("detector", "verdict", "statistic", "threshold", "p", "p adjusted", "")
    return Table(columns, rows)


@dataclass(frozen=True, repr=False, kw_only=True)
class DriftAnalysis(Result):
    """Two windows compared.

    drift_detected : whether any detector says so     drifted : which
    drift_score, p_value, effect : of the labels: Jensen-Shannon divergence in nats, how often
        chance alone would give so large a difference, and which labels moved
    distributions : share of each predicted label
    """

    status: str
    drift_detected: bool
    drifted: Sequence[str]
    drift_score: float | None
    threshold: float
    p_value: float | None
    effect: str
    alpha: float
    baseline_sample_count: int
    current_sample_count: int
    baseline_distribution: Mapping[str, float]
    current_distribution: Mapping[str, float]
    detectors: Sequence[DetectorFinding]

    def short(self) -> str:
        score = "–" if self.drift_score is None else f"{self.drift_score:.3g}"
        return f"{self.summary()}, score {score}"

    def summary(self) -> str:
        """The outcome in a few words."""
        if self.drift_detected:
            return f"drift: {', '.join(self.drifted)}"
        return "no drift" if self.status == "ok" else "too little data"

    def view(self) -> View:
        return View(self.short(), self.facts(), self.parts())

    def facts(self) -> list[Fact]:
        """Outcome and counts."""
        return [
            Fact("outcome", self.summary()),
            Fact(
                "predictions",
                f"{self.baseline_sample_count:,} then, {self.current_sample_count:,} now",
            ),
        ]

    def parts(self) -> list[Table]:
        """The detectors, and the labels that moved most."""
        labels = {*self.baseline_distribution, *self.current_distribution}
        then, now = self.baseline_distribution, self.current_distribution
        moved = [(x, then.get(x, 0.0), now.get(x, 0.0)) for x in sorted(labels)]
        moved.sort(key=lambda row: -abs(row[2] - row[1]))
        rows = [(x, Share(a), Share(b), f"{100 * (b - a):+.1f} points") for x, a, b in moved]
        table = Table(("label", "share then", "share now", "change"), rows[:15], total=len(rows))
        return [finding_table(self.detectors), *([table] if rows else [])]


@dataclass(frozen=True, repr=False, kw_only=True)
class DriftReport(Result):
    """Whether what a model is asked, or how it answers, has changed."""

    _optional = frozenset({"warnings"})

    model_id: str
    baseline_window: TimeRange
    current_window: TimeRange
    drift_analysis: DriftAnalysis
    warnings: Sequence[str] = ()

    def short(self) -> str:
        return f"{self.model_id!r}, {self.drift_analysis.short()}"

    def view(self) -> View:
        facts = [
            Fact("then (UTC)", str(self.baseline_window)),
            Fact("now (UTC)", str(self.current_window)),
            *self.drift_analysis.facts(),
        ]
        title = f"Drift of {self.model_id}"
        return View(title, facts, self.drift_analysis.parts(), self.warnings)


@dataclass(frozen=True, repr=False, kw_only=True)
class ConditionalEstimate(Result):
    """An accuracy that is true if an assumption is.

    holds : false where the data contradict it, true where they could have and did not, null where
        they cannot tell
    """

    value: float
    low: float
    high: float
    assumption: str
    holds: bool | None
    warning: str

    def short(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"

    def view(self) -> View:
        return View(self.short(), notes=[self.assumption])


@dataclass(frozen=True, repr=False, kw_only=True)
class EstimatedAccuracy(Result):
    """How accurate a window probably is, though its truths are not known.

    method : "confidence", "label shift" or "both"; see the assumptions
    level : of the intervals
    """

    _optional = frozenset({"warnings"})

    model_id: str
    baseline_window: TimeRange
    current_window: TimeRange
    status: str
    value: float | None
    low: float | None
    high: float | None
    method: str | None
    level: float
    baseline_count: int
    baseline_truths: int
    current_count: int
    confidence: ConditionalEstimate | None
    label_shift: ConditionalEstimate | None
    warnings: Sequence[str] = ()

    def short(self) -> str:
        if self.value is None:
            return f"{self.model_id!r}, too little data"
        return f"{self.model_id!r}, {self.value:.3f} ({self.low:.3f}–{self.high:.3f})"

    def view(self) -> View:
        facts = [
            Fact("then (UTC)", str(self.baseline_window)),
            Fact("now (UTC)", str(self.current_window)),
            Fact("truths then", f"{self.baseline_truths:,} of {self.baseline_count:,}"),
            Fact("predictions now", self.current_count),
        ]
        level = f"{number(100 * self.level)} % interval"
        parts = []
        if self.value is not None and self.low is not None and self.high is not None:
            basis = f"estimated without truths, n = {self.current_count:,}, {level}"
            parts.append(Interval("accuracy", self.value, self.low, self.high, basis))
        for name, one in (("by confidence", self.confidence), ("by labels", self.label_shift)):
            if one is not None:
                parts.append(Interval(name, one.value, one.low, one.high, one.assumption))
        return View(f"Estimated accuracy of {self.model_id}", facts, parts, self.warnings)
