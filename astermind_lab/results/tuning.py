"""What tuning has found so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astermind_lab.display import Curve, Fact, Share, Table, View
from astermind_lab.display.view import Part
from astermind_lab.display.words import number, share
from astermind_lab.errors import shown
from astermind_lab.estimate import Estimate
from astermind_lab.results.base import Result, interval

__all__ = ["TuningReport", "TuningTrial"]

_MOST_SHOWN = 10


@dataclass(frozen=True, repr=False, kw_only=True)
class TuningTrial(Result):
    """One setting with its leave-one-out accuracy.

    ridge : None where leave-one-out chose λ     chosen : the λ that was in force
    low, high, n : 95 % interval of the accuracy, and the rows it rests on
    balanced_accuracy : mean of the labels' recalls
    """

    units: int
    activation: str
    ridge: float | None
    balance: float
    chosen: float
    accuracy: float
    low: float
    high: float
    n: int
    balanced_accuracy: float

    def short(self) -> str:
        return (
            f"{self.units} units, {self.activation}, λ = {number(self.chosen)}, "
            f"balance {self.balance:g}: {share(self.accuracy)}"
        )

    def row(self) -> tuple[int | str | float, ...]:
        """It as a row of a table."""
        return (
            self.units,
            self.activation,
            number(self.chosen) + ("" if self.ridge else " (chosen)"),
            self.balance,
            f"{share(self.accuracy)} ({share(self.low)} to {share(self.high)})",
            share(self.balanced_accuracy),
        )

    def view(self) -> View:
        return View("Trial", [Fact("setting", self.short())])


@dataclass(frozen=True, repr=False, kw_only=True)
class TuningReport(Result):
    """The setting in force, its leave-one-out curve along λ, and the settings tried.

    rows, total, judged : rows used, rows there are, rows that the accuracy rests on
    curve : (λ, accuracy, low, high), the last two a 95 % interval
    best : the λ of the curve with the least leave-one-out error     chosen : the λ in force
    per_label : (label, recall, judged rows), worst first
    prepared_ms, took_ms : to read the texts, once; to work out this setting
    limits : what may be set; for λ the range of the curve
    """

    dataset_id: str | None
    rows: int
    total: int
    judged: int
    labels: Sequence[str]
    units: int
    activation: str
    ridge: float | None
    balance: float
    curve: Sequence[tuple[float, float, float, float]]
    best: float
    chosen: float
    accuracy: Estimate
    balanced_accuracy: float
    per_label: Sequence[tuple[str, float, int]]
    prepared_ms: float
    took_ms: float
    trials: Sequence[TuningTrial]
    limits: Mapping[str, Sequence[Any]]
    notes: Sequence[str] = ()

    def short(self) -> str:
        where = "examples" if self.dataset_id is None else shown(self.dataset_id)
        return f"{where}, {self.trials[-1].short()}, leave-one-out, n = {self.judged:,}"

    def view(self) -> View:
        chosen = number(self.chosen) + ("" if self.ridge else ", chosen by leave-one-out")
        facts = [
            Fact("rows", f"{self.rows:,} of {self.total:,}; {self.judged:,} are judged"),
            Fact("hidden units", self.units),
            Fact("activation", self.activation),
            Fact("ridge λ", chosen),
            Fact("balance", self.balance),
            Fact("balanced accuracy", Share(self.balanced_accuracy)),
        ]
        points = [(f"λ = {number(at)}", value, low, high) for at, value, low, high in self.curve]
        worst = [(label, share(recall), n) for label, recall, n in self.per_label[:_MOST_SHOWN]]
        tried = [trial.row() for trial in self.trials[::-1][:_MOST_SHOWN]]
        heads = ("units", "activation", "λ", "balance", "accuracy", "balanced")
        parts: list[Part] = [
            interval("accuracy", self.accuracy),
            Curve("Leave-one-out accuracy along λ", points),
            Table(("label", "recall", "judged rows"), worst, "Worst labels", len(self.per_label)),
            Table(heads, tried, "Settings tried, latest first", len(self.trials)),
        ]
        title = "Tuning" if self.dataset_id is None else f"Tuning on {self.dataset_id}"
        return View(title, facts, parts, self.notes)
