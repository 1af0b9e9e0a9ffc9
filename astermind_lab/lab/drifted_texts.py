"""The texts behind a drift: what is asked now that was not asked before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Window
from astermind_lab.lab.drifting import Windows
from astermind_lab.results import DriftedText, DriftedTexts, TimeRange
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.core.tally import Tally
    from astermind_lab.lab.session import Session
    from astermind_lab.monitoring.drift.moved import Discriminant
    from astermind_lab.persistence import Prediction
    from astermind_lab.persistence.sampling import Sampled

__all__ = ["find_drifted_texts"]

_MOST = 200
_MOST_READ = 5_000
_MOST_LABELLED = 500
_BY_CHANCE = "chance alone explains how the windows differ, so these may be ordinary texts"
_NONE_LEFT = "no prediction of the current window is kept that could be looked at"
_ONLY_LABELS = "the predictions carry no features to compare, so this rests on their labels"


@tool()
def find_drifted_texts(
    lab: Session,
    model_id: str,
    baseline_window: Window,
    current_window: Window,
    limit: int = 20,
    version: str | None = None,
) -> DriftedTexts:
    """The texts of the current window that speak most for it against the baseline, each once.

    They are told by what the hidden layer sees of them (method discriminant). Where the predictions
    carry none of that, those are given whose labels became more frequent (method labels). At most
    5,000 predictions are looked at, in equal steps through the window.

    model_id : the model
    baseline_window : object with start and end in ISO 8601, both included: how it was
    current_window : likewise: how it is now
    limit : how many texts at the most, 1 to 200
    version : only the predictions of this version, or of the one an alias names now
    Raises InvalidInput.
    """
    from astermind_lab.monitoring.drift.moved import discriminant

    model_id = check.identifier(model_id, "model_id")
    limit = check.whole_number(limit, "limit", 1, _MOST)
    windows = Windows(lab, model_id, baseline_window, current_window, version)
    then, now = windows.baseline.total, windows.current.total
    rows = _Rows(lab, model_id, windows.ranges[1], windows.versions)
    found, note = discriminant(then, now)
    if found is None:
        search = _by_labels(rows, then, now, limit)
    else:
        search = _by_features(rows, found, limit)
        search.notes += [note, _doubt("inputs", then, now)]
    return DriftedTexts(
        model_id=model_id,
        baseline_window=windows.ranges[0],
        current_window=windows.ranges[1],
        status="ok" if search.method else "insufficient_data",
        method=search.method,
        texts=search.texts,
        searched=search.searched,
        note="; ".join(line for line in [*search.notes, *windows.warnings] if line),
    )


@dataclass(frozen=True)
class _Rows:
    """Where the predictions of the current window are."""

    lab: Session
    model_id: str
    window: TimeRange
    versions: Collection[str] | None

    def spread(self) -> list[Sampled]:
        log = self.lab.store.predictions
        ends = self.window.start, self.window.end
        return log.spread(self.model_id, *ends, self.versions, _MOST_READ)

    def labelled(self, label: str, limit: int) -> Sequence[Prediction]:
        """The newest that answered a label."""
        from astermind_lab.persistence.wanted import Wanted

        wanted = Wanted(versions=self.versions, predictions=(label,))
        ends = self.window.start, self.window.end
        log = self.lab.store.predictions
        return log.newest(self.model_id, wanted, *ends, limit=limit).predictions


@dataclass
class _Search:
    """What was found. method : None where nothing can be said"""

    method: str | None
    texts: list[DriftedText] = field(default_factory=list)
    searched: int = 0
    notes: list[str] = field(default_factory=list)


def _by_features(rows: _Rows, found: Discriminant, limit: int) -> _Search:
    """By a discriminant of the drift features; what speaks for the baseline is left out."""
    import numpy as np

    sample = rows.spread()
    usable = [
        (row, row.features.values)
        for row in sample
        if row.features is not None and row.features.made_by == found.made_by
    ]
    if not usable:
        return _Search(None, searched=len(sample), notes=[_NONE_LEFT])
    values = np.frombuffer(b"".join(v for _, v in usable), np.int8).reshape(len(usable), -1)
    scored = [
        (float(score), row)
        for score, (row, _) in zip(found.scores(values), usable, strict=True)
        if score > 0
    ]
    scored.sort(key=lambda pair: -pair[0])  # of equal ones the first asked stays first
    return _Search("discriminant", _each_once(scored, limit), len(sample))


def _by_labels(rows: _Rows, then: Tally, now: Tally, limit: int) -> _Search:
    """By the labels whose share rose, those of the one that rose most first."""
    from astermind_lab.monitoring.drift.moved import risen_labels

    risen, note = risen_labels(then, now)
    if not risen:
        return _Search(None, notes=[note])
    search = _Search("labels", notes=[_ONLY_LABELS, _doubt("labels", then, now)])
    scored: list[tuple[float, Prediction]] = []
    for label, ratio in risen.items():
        some = rows.labelled(label, _MOST_LABELLED)
        scored += [(ratio, row) for row in some]
        search.searched += len(some)
        search.texts = _each_once(scored, limit)
        if len(search.texts) == limit or search.searched >= _MOST_READ:
            break
    return search if search.texts else _Search(None, notes=[_NONE_LEFT])


def _each_once(
    scored: Iterable[tuple[float, Sampled | Prediction]], limit: int
) -> list[DriftedText]:
    """The first of each text; where texts are not kept, of each that is known to be another."""
    found: dict[str, DriftedText] = {}
    for score, row in scored:
        name = row.record_id or ""
        found.setdefault(
            row.input or row.input_hash or name,
            DriftedText(
                prediction_id=name,
                timestamp=row.timestamp,
                input=row.input,
                prediction=row.prediction,
                confidence=row.confidence,
                score=score,
            ),
        )
        if len(found) == limit:
            break
    return list(found.values())


def _doubt(detector: str, then: Tally, now: Tally) -> str:
    from astermind_lab.monitoring.drift.verdict import ALPHA, DETECTORS

    p_value = DETECTORS[detector](then, now).p_value
    return _BY_CHANCE if p_value is not None and p_value > ALPHA else ""
