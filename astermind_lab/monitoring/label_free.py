"""The accuracy of a window whose truths are not known, from a baseline whose truths are.

Two assumptions turn the baseline into an answer:

    confidence     an answer of a given confidence is right as often as in the baseline
    label shift    texts of a label look as in the baseline; only how often labels occur has changed

Both hold where nothing has changed. Where a change of the labels does not explain the window, or
the two answers contradict each other, that is said. What nobody can see without truths is a pure
change of concept, the same texts with other labels: then both answers are wrong and no warning
comes. Harder texts that are answered as confidently as before are missed too in small windows.
Truths that the window does have are not used, except to name labels that are new.

The figure meant is the share of the window's own answers that are right, as it will be counted when
all its truths are in. Its interval holds the errors of both windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import betaincinv, ndtr

from astermind_lab.core.tally import LEVELS, Tally
from astermind_lab.errors import InvalidInput, shown
from astermind_lab.monitoring.confidence_groups import Expected, accuracy_by_confidence
from astermind_lab.monitoring.label_shift import Shift, label_shift
from astermind_lab.monitoring.label_tables import LabelTables
from astermind_lab.monitoring.same_answers import same_answers

__all__ = [
    "CHANGED",
    "CONTRADICTION",
    "MAX_LABELS",
    "MIN_KNOWN",
    "MIN_ROWS",
    "UNEXPLAINED",
    "ConditionalAccuracy",
    "LabelFreeAccuracy",
    "estimate_accuracy",
]

Method = Literal["both", "confidence"]

MIN_KNOWN = 30
"""Known truths that a baseline needs."""
MIN_ROWS = 20
"""Predictions that a window needs."""
MAX_LABELS = 300
"""Labels beyond which label shift is not tried: its tables are labels × labels."""

_ALARM = 0.01  # p-value below which a difference is spoken of
_APART = 0.05  # how well labels must be told apart, of 1
_STRANGE = 0.05  # share of answers that the baseline says nothing about

CONFIDENCE = "An answer of a given confidence is right as often as in the baseline."
LABEL_SHIFT = (
    "Texts of a label look as they did in the baseline; only how often labels occur has changed."
)
UNEXPLAINED = (
    "The answers have changed in a way that no change of the labels explains: the texts themselves "
    "look different. The accuracy may lie outside the interval; label some of these rows."
)
CONTRADICTION = (
    "The two estimates contradict each other, so at least one of their assumptions does not hold. "
    "The interval spans both; label some of these rows."
)
CHANGED = (
    "The answers are not spread as in the baseline. A change in how often labels occur can explain "
    "it, but what else has changed cannot be seen without truths."
)
ALIKE = (
    "Some labels are answered so much alike that their shares can hardly be told apart; the "
    "interval allows for it."
)


@dataclass(frozen=True, kw_only=True)
class ConditionalAccuracy:
    """An accuracy that is true if an assumption is.

    value, low, high : shares in [0, 1], low ≤ value ≤ high
    holds : False where the data contradict the assumption, True where they could have and did not,
        None where they cannot tell
    warning : in plain words; empty where there is nothing to say
    """

    value: float
    low: float
    high: float
    assumption: str
    holds: bool | None
    warning: str


@dataclass(frozen=True, kw_only=True)
class LabelFreeAccuracy:
    """What can be said about the accuracy of a window without its truths.

    status : "ok", or "insufficient_data", where there is no figure
    value, low, high : the figure to show, shares in [0, 1]
    method : "both", the hull of both intervals, or "confidence", where label shift is ruled out
        or cannot be tried
    warnings : what speaks against the figure, or that it cannot be checked; empty where nothing
        has visibly changed
    confidence, label_shift : the two estimates; label shift is None where it cannot be tried
    level : of the intervals     baseline_n, baseline_known, current_n : what they rest on
    """

    status: Literal["ok", "insufficient_data"]
    level: float
    baseline_n: int
    baseline_known: int
    current_n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    method: Method | None = None
    warnings: tuple[str, ...] = ()
    confidence: ConditionalAccuracy | None = None
    label_shift: ConditionalAccuracy | None = None


def estimate_accuracy(baseline: Tally, current: Tally, *, level: float = 0.95) -> LabelFreeAccuracy:
    """The accuracy of the answers in ``current``, without their truths.

    baseline : at least 30 known truths     current : at least 20 predictions of the same model
    level : of the intervals, between 0 and 1

    >>> from astermind_lab.core.tally import Observation
    >>> def rows(truth, answer, confidence, n):
    ...     return [Observation(truth, answer, confidence, None, 0)] * n
    >>> ham, slip, spam = ("ham", "ham", 0.9), ("ham", "spam", 0.6), ("spam", "spam", 0.9)
    >>> baseline = Tally.of(rows(*ham, 350) + rows(*slip, 50) + rows(*spam, 100))
    >>> now = Tally.of(rows(*ham, 68) + rows(*slip, 12) + rows(*spam, 80))  # half of it is spam
    >>> found = estimate_accuracy(baseline, now)
    >>> found.method, round(found.value, 2), round(found.low, 2), round(found.high, 2)
    ('both', 0.93, 0.87, 0.96)
    >>> round(now.correct / now.n, 2), found.label_shift.holds, found.warnings == (CHANGED,)
    (0.93, True, True)

    Raises InvalidInput("level").
    """
    if not 0 < level < 1:
        raise InvalidInput("level", f"must lie between 0 and 1, got {shown(level)}")
    counted = _Counted(level, baseline.n, baseline.known, current.n)
    if counted.known < MIN_KNOWN or counted.rows < MIN_ROWS:
        return counted.answer(status="insufficient_data")
    known = [(a, c, n) for (truth, a, c), n in baseline.cells.items() if truth is not None]
    changed = same_answers(known, ((a, c, n) for (_, a, c), n in current.cells.items())) < _ALARM
    expected = accuracy_by_confidence(baseline, current)
    shift = _shift(baseline, current)
    first, second, alarms = _judge(changed, expected, shift)
    plain = counted.estimate(expected, CONFIDENCE, first)
    shifted = None
    if shift is not None:
        same_chance = Expected(shift.accuracy, shift.variance, expected.chance)
        shifted = counted.estimate(same_chance, LABEL_SHIFT, second)
    used = [plain] if shifted is None or shifted.holds is False else [plain, shifted]
    return counted.answer(
        status="ok",
        value=sum(estimate.value for estimate in used) / len(used),
        low=min(estimate.low for estimate in used),
        high=max(estimate.high for estimate in used),
        method="both" if len(used) == 2 else "confidence",
        warnings=(*alarms, *_doubts(baseline, current, changed)),
        confidence=plain,
        label_shift=shifted,
    )


class _Verdict(NamedTuple):
    holds: bool | None
    warning: str


class _Counted(NamedTuple):
    """What an answer rests on."""

    level: float
    baseline: int
    known: int
    rows: int

    def answer(self, **found: Any) -> LabelFreeAccuracy:
        return LabelFreeAccuracy(
            level=self.level,
            baseline_n=self.baseline,
            baseline_known=self.known,
            current_n=self.rows,
            **found,
        )

    def estimate(
        self, expected: Expected, assumption: str, verdict: _Verdict
    ) -> ConditionalAccuracy:
        """With Jeffreys' interval for as many rows as give a share the same variance.

        It is widened by half a row of the window each way, because what will be counted there are
        whole rows.
        """
        rows = expected.chance / (expected.variance + expected.chance / self.rows)
        right, wrong = expected.value * rows + 0.5, (1 - expected.value) * rows + 0.5
        low, high = betaincinv(right, wrong, [(1 - self.level) / 2, (1 + self.level) / 2])
        return ConditionalAccuracy(
            value=expected.value,
            low=max(0.0, min(expected.value, float(low) - 0.5 / self.rows)),
            high=min(1.0, max(expected.value, float(high) + 0.5 / self.rows)),
            assumption=assumption,
            holds=verdict.holds,
            warning=verdict.warning,
        )


def _shift(baseline: Tally, current: Tally) -> Shift | None:
    """Label shift over all labels that are known or said; None where there are too few or many."""
    known = [(t, a, c, n) for (t, a, c), n in baseline.cells.items() if t is not None and n > 0]
    labels = {label for t, a, _, _ in known for label in (t, a)} | current.predicted.keys()
    if not 2 <= len(labels) <= MAX_LABELS:
        return None
    place = {label: i for i, label in enumerate(sorted(labels))}
    counts = np.zeros((len(place), len(place), len(LEVELS) + 1))
    for truth, answer, confidence, n in known:
        counts[place[truth], place[answer], confidence] += n
    window = np.zeros(counts.shape[1:])
    for (_, answer, confidence), n in current.cells.items():
        if n > 0:
            window[place[answer], confidence] += n
    return label_shift(LabelTables(counts), window)


def _judge(
    changed: bool, expected: Expected, shift: Shift | None
) -> tuple[_Verdict, _Verdict, tuple[str, ...]]:
    """What to say of confidence, of label shift, and of the figure made from them."""
    plain = _Verdict(None, CHANGED) if changed else _Verdict(True, "")
    alarms = (CHANGED,) if changed else ()
    if shift is None:
        return plain, _Verdict(None, ""), alarms
    if shift.p_value is not None and shift.p_value < _ALARM:
        return _Verdict(None, UNEXPLAINED), _Verdict(False, UNEXPLAINED), (UNEXPLAINED,)
    gap = abs(shift.accuracy - expected.value)
    if 2 * ndtr(-gap / math.sqrt(shift.variance + expected.variance)) < _ALARM:
        both = _Verdict(None, CONTRADICTION)
        return both, both, (CONTRADICTION,)
    alike = ALIKE if shift.identified < _APART else ""
    return plain, _Verdict(None if shift.p_value is None else True, alike), alarms


def _doubts(baseline: Tally, current: Tally, changed: bool) -> tuple[str, ...]:
    """What speaks against either assumption: a baseline that does not stand for the window."""
    found = []
    truths = {truth for (truth, _, _), n in baseline.cells.items() if truth is not None and n > 0}
    named = {truth for (truth, _, _), n in current.cells.items() if truth is not None and n > 0}
    new = named - truths - baseline.predicted.keys()
    if new:
        found.append(f"The window has labels that the baseline has not: {_listed(new)}.")
    strange = {label: n for label, n in current.predicted.items() if label not in truths}
    share = sum(strange.values()) / current.n
    if changed and share > _STRANGE:
        found.append(
            f"{share:.0%} of the answers are labels that no row of the baseline is known to have: "
            f"{_listed(strange)}."
        )
    with_truth = [(a, c, n) for (t, a, c), n in baseline.cells.items() if t is not None]
    without = [(a, c, n) for (t, a, c), n in baseline.cells.items() if t is None]
    if same_answers(with_truth, without) < _ALARM:
        found.append(
            f"Truths are known for {baseline.known / baseline.n:.0%} of the baseline, and its "
            "other rows were answered differently: the known ones may not stand for all."
        )
    return tuple(found)


def _listed(labels: Iterable[str], most: int = 3) -> str:
    names = sorted(labels)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
